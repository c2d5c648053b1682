"""A device with a few groups, and maps written in the tests themselves."""

import textwrap
from collections.abc import Iterable

from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.register_maps.fields import MapError
from bridge.register_maps.format import Kind, RegisterMap
from bridge.register_maps.image import UnitImage
from bridge.register_maps.loader import MapLoad, load_text


def load(text: str, kind: Kind = Kind.NATIVE, **known: str) -> MapLoad:
    """Load a map text; `known` are the maps it may extend, by name."""

    def extend(name: str) -> MapLoad:
        if name not in known:
            return MapLoad(None, (MapError(name, 1, 1, f"found no map '{name}'"),))
        return load_text(textwrap.dedent(known[name]), f"{name}.yaml", name, kind)

    return load_text(textwrap.dedent(text), "m.yaml", "m", kind, extend)


def loaded(text: str, kind: Kind = Kind.NATIVE, **known: str) -> RegisterMap:
    result = load(text, kind, **known)
    assert result.map is not None, "\n".join(map(str, result.errors))
    return result.map


def registers(*entries: str) -> str:
    """A map of nothing but register entries, given as the inside of their braces."""
    return "registers:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries)


_TEXTS = {"/Serial", "/Name"}


class Plant:
    """A datastore on a clock that stands still."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = Datastore(self.clock, StateStore())

    def device(
        self,
        paths: Iterable[str] = (),
        name: str = "charger",
        slow: Iterable[str] = (),
        specs: Iterable[PointSpec] = (),
    ) -> Device:
        """A device whose group `fast` (5 s) proves it alive and whose group `slow` lasts 20 s."""
        device = self.store.add(name)
        given = {spec.path: spec for spec in specs}
        device.declare(
            [
                given.get(p) or PointSpec(p, writable=True, text=p in _TEXTS)
                for p in dict.fromkeys([*paths, *slow, *given])
            ],
            [GroupSpec("fast", 5.0), GroupSpec("slow", 20.0), GroupSpec("brief", 2.0)],
            [["fast"]],
        )
        return device

    def image(
        self, text: str | RegisterMap, device: Device, kind: Kind = Kind.NATIVE, **sources: Device
    ) -> UnitImage:
        found = text if isinstance(text, RegisterMap) else loaded(text, kind)
        return UnitImage(found, device, self.clock, 20, sources)


def words(answer: bytes | int) -> list[int]:
    assert isinstance(answer, bytes), f"exception {answer}"
    return [int.from_bytes(answer[i : i + 2], "big") for i in range(0, len(answer), 2)]


def bits(answer: bytes | int, count: int) -> list[int]:
    assert isinstance(answer, bytes), f"exception {answer}"
    return [answer[i // 8] >> i % 8 & 1 for i in range(count)]
