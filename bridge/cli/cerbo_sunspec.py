"""Plays the SunSpec detection of a GX against a unit, and its first poll (dbus-fronius 1.7.20)."""

from bridge.cli.cerbo_play import Finding
from bridge.cli.cerbo_wire import NotReached, Wire, refuses_quickly
from bridge.register_maps.format import Table
from bridge.site.addresses import HostPort

SUNSPEC_PORT, SUNSPEC_UNIT = 502, 126
_MARK = (0x5375, 0x6E53)
_BASES = (40000, 50000, 0)
_END = 0xFFFF
_INVERTERS = (101, 102, 103)
#: How many models a walk passes before it is given up: a broken length would go on for ever.
_MODELS_MAX = 50
_WITHIN_S = 5.0
#: Registers of the first poll, from the inverter model's start.
_POLL = 52
#: W and its scale factor, from there.
_WATTS, _WATTS_SCALE = 14, 15
_NO_DATA = 0x8000


async def play_sunspec(finding: Finding, address: HostPort, http_port: int = 80) -> None:
    """Fill in a finding of a SunSpec persona."""
    try:
        async with Wire(address) as wire:
            await _Detection(finding, wire).run()
            finding.slowest_s = round(wire.slowest_s, 4)
    except NotReached as fault:
        finding.wrong(str(fault))
        return
    if address.port != SUNSPEC_PORT:
        finding.wrong(
            f"found on port {address.port}, expected {SUNSPEC_PORT}, the only one a GX reconnects to"
        )
    if finding.unit != SUNSPEC_UNIT:
        finding.notes.append(
            f"add {SUNSPEC_PORT}:{finding.unit} to /Settings/Fronius/ModbusAlternates on the GX: "
            f"by itself it asks unit {SUNSPEC_UNIT} alone"
        )
    obstacle = await refuses_quickly(address.host, http_port)
    if obstacle is not None:
        finding.notes.append(obstacle)


class _Detection:
    """One walk through the models."""

    def __init__(self, finding: Finding, wire: Wire) -> None:
        self._finding = finding
        self._wire = wire

    async def run(self) -> None:
        base = await self._base()
        if base is None:
            return
        models = await self._models(base + 2)
        inverter = next((model for model in models if model in _INVERTERS), None)
        if 1 not in models or inverter is None:
            self._finding.wrong(f"found the models {sorted(models)}, expected 1 and one of 101 to 103")
            return
        common = await self._read(models[1], 68)
        if common is None:
            return
        maker, model = (_text(common[at : at + 16]) for at in (2, 18))
        serial = _text(common[50:66])
        if not serial:
            self._finding.wrong("found no serial number in model 1, by which a GX knows the inverter")
        self._finding.verdict = "shown" if self._finding.verdict != "wrong" else "wrong"
        phases = "one phase" if inverter == 101 else f"{inverter % 10} phases"
        self._finding.shown_as = f"PV inverter {maker} {model} of {phases}"
        self._finding.service = f"com.victronenergy.pvinverter.pv_{serial}" if serial else None
        await self._first_poll(models[inverter])
        rating = await self._read(models[120], 28) if 120 in models else None
        limited = 123 in models and rating is not None and rating[3] not in (0, 0xFFFF)
        self._finding.notes.append(
            "its power can be limited: enable that in the inverter's menu on the GX"
            if limited
            else "its power cannot be limited: the device has no /Ac/PowerLimit that is written, or no rating"
        )

    async def _base(self) -> int | None:
        answers = []
        for base in _BASES:
            answer = await self._wire.read(self._finding.unit, Table.HOLDING, base, 2, _WITHIN_S)
            if answer.words == _MARK:
                return base
            answers.append(answer.exception)
        if set(answers) == {0x0B}:
            self._finding.verdict = "not_heard"
            self._finding.notes.append(
                "the bridge does not hear the device now: a GX asks again every minute"
            )
        else:
            self._finding.wrong("found no SunSpec mark at 40000, 50000 or 0, expected `SunS`")
        return None

    async def _models(self, address: int) -> dict[int, int]:
        """Return the models and where they begin; the walk ends at the end mark or at what cannot be read."""
        found: dict[int, int] = {}
        for _ in range(_MODELS_MAX):
            header = await self._read(address, 2)
            if header is None or header[0] == _END:
                break
            found.setdefault(header[0], address)
            address += 2 + header[1]
        return found

    async def _first_poll(self, start: int) -> None:
        poll = await self._read(start, _POLL)
        if poll is not None and _NO_DATA in (poll[_WATTS], poll[_WATTS_SCALE]):
            self._finding.notes.append("it has no power to show now: a GX passes such readings over")

    async def _read(self, address: int, count: int) -> tuple[int, ...] | None:
        answer = await self._wire.read(self._finding.unit, Table.HOLDING, address, count, _WITHIN_S)
        if answer.words is None:
            self._finding.wrong(
                f"registers {address} to {address + count - 1}: found {answer.said}, expected their values: "
                "the detection ends there"
            )
        return answer.words


def _text(words: tuple[int, ...]) -> str:
    data = b"".join(word.to_bytes(2, "big") for word in words)
    return data.rstrip(b"\0").decode("ascii", "replace")
