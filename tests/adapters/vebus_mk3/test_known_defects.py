"""Each defect known of programs that talk to an MK3, shown not to be one of this bridge."""

from collections.abc import Callable, Iterable

import pytest

from bridge.adapters.vebus_mk3 import variables as var
from bridge.adapters.vebus_mk3.messages import Winmon
from bridge.adapters.vebus_mk3.scales import NEEDED
from bridge.datastore.values import LinkState, Outcome, Quality
from tests.adapters.vebus_mk3.rig import LIMIT, MODE, ON, Rig

VOLTAGE, POWER = "/Dc/0/Voltage", "/Ac/Out/L1/P"


async def alive(rig: Rig) -> None:
    """Everything fast is heard, and goes on being heard."""
    await rig.clock.advance(8)
    for path in (VOLTAGE, "/Dc/0/Current", "/Ac/ActiveIn/L1/V", "/Ac/Out/L1/V", POWER, MODE, "/Leds/Mains"):
        reading = rig.device.reading(path)
        assert reading.quality is Quality.OK, path
        assert reading.age_s is not None
        assert reading.age_s < 3, path


@pytest.mark.parametrize("fault", ["leds", "combined"])
async def test_frames_as_a_gx_left_them(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """Appended LEDs and combined replies, on an interface that cannot be talked out of them."""
    async with Rig(monkeypatch) as rig:
        rig.simulator.misbehave(fault)
        await alive(rig)
        assert rig.device.value("/FirmwareVersion") == "2648304"


async def test_what_an_earlier_host_left_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, leftover=True) as rig:
        await alive(rig)
        assert not rig.simulator.interface.leds_appended
        assert not rig.simulator.interface.combined
        assert not rig.commands


async def idle_with(rig: Rig, fault: Callable[[], None]) -> float:
    """How long the line carries nothing in the ten seconds in which a fault happens."""
    await rig.known()
    before, began = rig.simulator.line_bytes, rig.clock.monotonic()
    fault()
    await rig.clock.advance(10)
    assert rig.device.reading(VOLTAGE).age_s < 1.5
    return rig.clock.monotonic() - began - (rig.simulator.line_bytes - before) / 240


async def test_without_a_fault_the_line_is_never_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, latency=0.0) as rig:
        assert await idle_with(rig, lambda: None) < 0.15  # what is half said at the end


@pytest.mark.parametrize("position", range(1, 18))
async def test_a_lost_byte_of_a_reply_costs_at_most_a_time_out(
    monkeypatch: pytest.MonkeyPatch, position: int
) -> None:
    async with Rig(monkeypatch, latency=0.0) as rig:
        assert await idle_with(rig, lambda: rig.simulator.misbehave("lose", str(position))) < 0.15 + 0.1


@pytest.mark.parametrize("position", range(8))
async def test_a_lost_byte_of_a_request_costs_at_most_a_time_out(
    monkeypatch: pytest.MonkeyPatch, position: int
) -> None:
    """The interface says nothing then: the shortest time-out is 0.36 s."""
    async with Rig(monkeypatch, latency=0.0) as rig:
        hear, lost = rig.simulator.hear, []

        def lose(data: bytes) -> None:
            cut = not lost and len(data) > position
            lost.extend([data] if cut else [])
            hear(data[:position] + data[position + 1 :] if cut else data)

        assert await idle_with(rig, lambda: monkeypatch.setattr(rig.simulator, "hear", lose)) < 0.15 + 0.4
        assert lost


async def test_no_power_is_asked_for_before_its_scale_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interleaved with the questions for scales, neither would be answered by some programs."""
    async with Rig(monkeypatch) as rig:
        await rig.clock.advance(6)
        winmon = [data[2:] for _, data in rig.simulator.received if chr(data[1]) in "XYZ"]
        first = next(n for n, data in enumerate(winmon) if data[0] == Winmon.READ_RAM)
        asked = {data[1] for data in winmon[:first] if data[0] == Winmon.RAM_INFO}
        assert asked == set(NEEDED)


@pytest.mark.parametrize("stray", ["00", "ff", "20"])
async def test_stray_bytes_cost_nothing(monkeypatch: pytest.MonkeyPatch, stray: str) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("stray", stray)
        for _ in range(10):
            await rig.clock.advance(1)
            assert rig.device.reading(VOLTAGE).age_s < 3
            assert rig.device.reading(MODE).age_s < 5


async def test_junk_in_the_state_of_old_firmware(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, old=True) as rig:
        await alive(rig)
        assert rig.device.value("/State") == 3  # as the LEDs say: bulk
        assert rig.device.value("/Soc") == pytest.approx(80, abs=1)


@pytest.mark.parametrize("refusal", ["zero", "empty", "90", "silence"])
async def test_a_variable_the_unit_does_not_have(monkeypatch: pytest.MonkeyPatch, refusal: str) -> None:
    """One of the first eleven, whose missing scale stalls others for ever."""
    async with Rig(monkeypatch, unsupported="8,13", refusal=refusal) as rig:
        await rig.clock.advance(4)
        await alive(rig)
        assert rig.device.reading("/Ac/ActiveIn/L1/F").quality is Quality.ABSENT
        assert rig.device.value("/Ac/ActiveIn/L1/V") == 230.4
        await rig.clock.advance(20)
        assert rig.device.reading("/Soc").quality is Quality.ABSENT
        asked = [data for _, data in rig.simulator.received if data[2:4] == bytes((0x36, 8))]
        assert len(asked) <= 4  # dropped for good
        await rig.clock.advance(60)
        assert len([d for _, d in rig.simulator.received if d[2:4] == bytes((0x36, 8))]) == len(asked)


async def test_a_unit_without_powers(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, unsupported="14,15,16") as rig:
        await alive(rig)
        assert rig.device.value(POWER) == pytest.approx(400, rel=0.02)
        assert rig.device.value("/Ac/ActiveIn/L1/P") == pytest.approx(1600, rel=0.02)
        assert rig.device.value("/Dc/0/Power") == pytest.approx(1116, rel=0.02)


async def test_a_scale_that_divides_by_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, unsupported="6") as rig:
        rig.simulator.interface._scales[var.RIPPLE_V] = (0x8000, 0)
        rig.simulator.interface.unsupported.clear()
        rig.simulator.interface._read = lambda ids: b"\x90"
        await rig.clock.advance(12)
        assert rig.device.link is LinkState.ONLINE
        assert rig.device.value(VOLTAGE) is not None


@pytest.mark.parametrize("declared", [0x7F9C, 0x8064])
async def test_feeding_in_with_a_current_declared_unsigned(
    monkeypatch: pytest.MonkeyPatch, declared: int
) -> None:
    async with Rig(monkeypatch, scales={var.MAINS_A: (declared, 0)}) as rig:
        rig.unit.load_w[0] = -2000.0  # a PV inverter at the output, less 1200 W of charging
        await alive(rig)
        assert rig.device.value("/Ac/ActiveIn/L1/I") == -3.47
        assert rig.device.value("/Ac/ActiveIn/L1/P") == -800


@pytest.mark.parametrize("scale", [0x800A, 0x8064])
async def test_the_scale_of_the_battery_current_is_asked(monkeypatch: pytest.MonkeyPatch, scale: int) -> None:
    async with Rig(monkeypatch, scales={var.BATTERY_A: (scale, 0)}) as rig:
        await alive(rig)
        assert rig.device.value("/Dc/0/Current") == pytest.approx(40.61, abs=0.05)


async def test_mains_that_are_gone_read_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("mains", "off")
        await rig.clock.advance(4)
        assert rig.device.value("/Ac/ActiveIn/L1/V") == 0
        assert rig.device.value("/Ac/ActiveIn/L1/F") == 0  # the unit repeats the last one
        assert rig.device.value("/Ac/ActiveIn/ActiveInput") == 240
        assert rig.device.value("/Ac/ActiveIn/Connected") == 0
        assert rig.device.value("/State") == 9


async def test_alarms_and_errors_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("alarm", "92")  # low battery as pre-alarm, overload none, ripple.. bit 7
        rig.simulator.misbehave("error", "83")
        await rig.clock.advance(4)
        names = ("HighTemperature", "LowBattery", "Overload", "Ripple")
        assert [rig.device.value(f"/Alarms/{name}") for name in names] == [2, 1, 0, 2]
        assert rig.device.value("/VebusError") == 3
        assert rig.device.value("/Interface/Blocked") == 1
        assert rig.device.value("/State") == 2


async def test_limits_are_rounded_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.unit.minimum_da = 10
        await rig.clock.advance(4)
        assert await rig.write({LIMIT: 4.36}) == {LIMIT: Outcome.CONFIRMED}
        assert rig.commands[-1] == (ON, 44)


async def test_late_replies_are_not_taken_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every reply comes after its time-out; then they come in time again."""
    async with Rig(monkeypatch) as rig:
        await rig.known()
        truth = {path: rig.device.value(path) for path in (VOLTAGE, POWER, "/Ac/Out/L1/V", LIMIT, MODE)}
        rig.simulator.misbehave("delay", "0.7")
        await rig.clock.advance(10)
        rig.simulator.misbehave("well")
        await rig.clock.advance(10)
        assert rig.device.link is LinkState.ONLINE
        for path, value in truth.items():
            assert rig.device.value(path) == pytest.approx(value, abs=0.1)


@pytest.mark.parametrize(("pause", "oldest"), [("0.05", 3), ("0.1", 4), ("0.2", 6), ("0.3", 12)])
@pytest.mark.parametrize("known", [True, False])
async def test_units_that_pause_inside_a_reply(
    monkeypatch: pytest.MonkeyPatch, pause: str, oldest: float, known: bool
) -> None:
    """Up to 350 ms are allowed. The first replies are given up too soon, then the pause is known."""
    async with Rig(monkeypatch) as rig:
        if known:
            await rig.known()
        rig.simulator.misbehave("stutter", pause)
        await rig.clock.advance(20)
        for _ in range(20):
            await rig.clock.advance(1)
            for path in (VOLTAGE, "/Ac/ActiveIn/L1/V", POWER, "/Leds/Mains", MODE):
                assert rig.device.reading(path).age_s < oldest, path
        assert rig.device.link is LinkState.ONLINE
        assert rig.device.value(POWER) == 400


@pytest.mark.parametrize("lag", ["0.3", "0.45", "0.8"])
async def test_an_interface_that_becomes_slow(monkeypatch: pytest.MonkeyPatch, lag: str) -> None:
    """Replies that are late by more than a request's patience do not stay out of step with the requests."""
    async with Rig(monkeypatch) as rig:
        await rig.known()
        truth = {path: rig.device.value(path) for path in (VOLTAGE, POWER, "/Ac/Out/L1/V", LIMIT, MODE)}
        rig.simulator.misbehave("delay", lag)
        await rig.clock.advance(40)
        for path, value in truth.items():  # a round takes as long as it takes, but nothing is wrong
            await rig.until(lambda path=path: rig.device.value(path) is not None, 20)
            assert rig.device.value(path) == pytest.approx(value, abs=0.1), path


async def test_a_selection_whose_reply_is_lost_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit may be selected or not: no other unit's power is shown for the first one's."""
    async with Rig(monkeypatch, phases=3) as rig:
        await rig.clock.advance(15)
        real, wrong = rig.simulator.interface.answers, []

        def answers(data: bytes) -> list[bytes]:
            found = real(data)
            return [] if data[1:3] == b"A\x01" and data[3] else found  # obeyed, and not acknowledged

        monkeypatch.setattr(rig.simulator.interface, "answers", answers)

        def changed(paths: Iterable[str]) -> None:
            wrong.extend(v for p in paths if p == POWER and (v := rig.device.value(p)) not in (400, None))

        rig.device.changed.connect(changed)
        await rig.clock.advance(30)
        assert wrong == []
        assert rig.device.value(POWER) == 400
        assert rig.device.reading("/Ac/Out/L2/P").quality is Quality.STALE


async def test_a_pulled_cable(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.simulator.unplug()
        await rig.clock.advance(1)
        assert rig.device.link is LinkState.PORT_MISSING
        await rig.simulator.replug()
        await rig.clock.advance(8)
        assert rig.device.link is LinkState.ONLINE
        await alive(rig)


async def test_half_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("half_frame")
        await rig.clock.advance(1.5)
        assert rig.device.reading(VOLTAGE).age_s < 1.5


async def test_silent_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("silent")
        await rig.clock.advance(9)
        assert rig.device.link is LinkState.SILENT
        assert rig.device.reading(VOLTAGE).quality is Quality.STALE
        rig.simulator.misbehave("well")
        assert await rig.until(lambda: rig.device.link is LinkState.ONLINE) < 4


async def test_units_that_do_not_answer_behind_a_living_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("deaf")
        await rig.clock.advance(9)
        assert rig.device.link is LinkState.SILENT
        rig.simulator.misbehave("well")
        assert await rig.until(lambda: rig.device.link is LinkState.ONLINE) < 6
        await alive(rig)


async def test_an_interface_that_forgets_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("reset")
        await rig.clock.advance(8)
        await alive(rig)
        assert rig.simulator.interface.address == 0
