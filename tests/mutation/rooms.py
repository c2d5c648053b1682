"""The rooms that are checked: which modules get faults, and which tests have to notice them."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Room:
    """Patterns below the root of the tree; a pattern that begins with `!` takes away again."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    #: How many mutants are drawn where time is short; None takes all.
    sample: int | None = None

    def module_paths(self, root: Path) -> list[str]:
        """Return the room's modules that the tree has, sorted."""
        return _matching(root, self.modules)

    def test_paths(self, root: Path) -> list[str]:
        """Return the room's files of tests that the tree has, sorted."""
        return _matching(root, self.tests)


def _matching(root: Path, patterns: tuple[str, ...]) -> list[str]:
    found: set[str] = set()
    for pattern in patterns:
        paths = {str(path.relative_to(root)) for path in root.glob(pattern.removeprefix("!"))}
        found = found - paths if pattern.startswith("!") else found | paths
    return sorted(found)


def _in(folder: str, names: str) -> tuple[str, ...]:
    return tuple(f"bridge/{folder}/{name}.py" for name in names.split())


def _tests(folder: str, names: str) -> tuple[str, ...]:
    return tuple(f"tests/{folder}/test_{name}.py" for name in names.split())


ROOMS = {
    "datastore": Room(
        # durable.py is judged by cutting it short at each of its calls: tests/faults/house/test_power_cut.py
        ("bridge/datastore/*.py", "!bridge/datastore/durable.py"),
        ("tests/datastore/test_*.py",),
    ),
    "register_maps": Room(
        _in(
            "register_maps",
            "image packing types layout blocks/* rows write_rules writing bit_entries register_entries fields "
            "format checks positions sources loader supply tables entries device_entries type_entries",
        ),
        (
            "tests/register_maps/test_*.py",
            "!tests/register_maps/test_snippets*.py",
            "!tests/register_maps/test_class_file*.py",
            "!tests/register_maps/test_document*.py",
        ),
        sample=1000,
    ),
    "request_handler": Room(
        _in(
            "server",
            "dispatch context reads requests seldom formats codes answers units access_rule admission mbap rtu "
            "turns udp",
        ),
        (
            "tests/server/test_*.py",
            "tests/register_maps/test_image_*.py",
            "tests/conformance/test_*.py",
            "!tests/server/test_hostile_bench.py",
            "!tests/server/test_load.py",
            "!tests/server/test_throughput.py",
            "!tests/server/test_tls.py",
        ),
    ),
    "vedirect": Room(
        _in("adapters/vedirect", "codec text hex"),
        (
            *_tests("adapters/vedirect", "codec* products_* hexlink *edges"),
            "!tests/adapters/vedirect/test_products_simulated.py",
        ),
        sample=150,
    ),
    "vebus": Room(
        _in("adapters/vebus_mk3", "frames codec messages readings scales plausible"),
        _tests("adapters/vebus_mk3", "codec* foreign_record readings commands known_defects *edges"),
        sample=150,
    ),
    "can": Room(
        _in("adapters/can", "fields dialects alarms battery_frames island_frames inverter_frames"),
        (
            *_tests("adapters/can", "*"),
            *_tests("adapters/can_battery", "adapter"),
            *_tests("adapters/sunny_island", "readings adapter"),
            *_tests("adapters/can_bms", "telling charge"),
        ),
        sample=150,
    ),
    "modbus": Room(
        _in("adapters/modbus", "codec plan writing"),
        _tests("adapters/modbus", "codec plan writing ways series607 shared_bus *edges"),
        sample=150,
    ),
    "apsystems": Room(
        _in("adapters/apsystems", "codec frames inverter_frames"),
        _tests("adapters/apsystems", "codec frames inverter_frames questions *edges"),
        sample=150,
    ),
    "exchange": Room(
        ("bridge/exchange/*.py",),
        (*_tests("mqtt", "commands f* remote broker *edges"), *_tests("exchange", "*")),
        sample=150,
    ),
}
