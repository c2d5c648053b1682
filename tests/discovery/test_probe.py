"""Who is on a port: the families' simulators on PTYs, and others.

A far end that speaks is given all the time in the world, as waiting ends when it is understood; one that does
not is given next to none. So no machine is too slow for any of this.
"""

import asyncio
import os
import stat
from pathlib import Path

import pytest

from bridge.adapters.apsystems.simulated_tcp import TcpWire
from bridge.adapters.apsystems.simulator import BYTES_PER_S, ApsystemsSimulator
from bridge.adapters.can_battery.simulator import PylontechBatterySimulator
from bridge.adapters.modbus.simulator import Series607Simulator
from bridge.adapters.probing import PortInQuestion
from bridge.adapters.vebus_mk3.simulator import VeBusSimulator
from bridge.adapters.vedirect.simulated_monitor import BatteryMonitorSimulator
from bridge.adapters.vedirect.simulator import ChargerSimulator
from bridge.datastore.clock import SystemClock
from bridge.discovery.ports import Roots
from bridge.discovery.probe import ProbeResult, Status, probe_port, probes_of
from bridge.site.families import InstalledFamilies
from tests.adapters.far_ends import Terminal
from tests.discovery.far_ends import (
    ASKING,
    BRISK,
    PATIENT,
    Machine,
    Talker,
    holding,
    inquiry,
    played,
    raw_terminal,
)

NMEA = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"


@pytest.fixture
def roots(machine: Machine) -> Roots:
    return machine.roots


def summary(result: ProbeResult) -> tuple[object, ...]:
    fields = result.fields()
    return tuple(fields[key] for key in ("status", "family", "product", "name", "serial", "firmware"))


CHARGER = ("operational", "vedirect", "ac_charger", "Blue Smart IP22 Charger 24|12", "SIM2230A334", "3.42")
MULTI = ("operational", "vebus_mk3", None, "SIMULATED MultiPlus", "SIM1", "2648304")


@pytest.mark.parametrize("may_ask", [False, True])
async def test_a_charger_is_known_by_its_text(may_ask: bool, tmp_path: Path, roots: Roots) -> None:
    simulator = ChargerSimulator()
    async with played(simulator, tmp_path / "port") as port:
        assert summary(await probe_port(port, inquiry(roots, may_ask=may_ask))) == CHARGER
        assert simulator.received == []


async def test_a_charger_without_text_is_asked(tmp_path: Path, roots: Roots) -> None:
    simulator = ChargerSimulator(flood=False)
    simulator.misbehave("no_text")
    async with played(simulator, tmp_path / "port") as port:
        look = inquiry(roots, ASKING, may_ask=True)
        assert summary(await probe_port(port, look)) == CHARGER
    assert simulator.executed == []
    assert simulator.forbidden == []


async def test_a_monitor_whose_text_tells_no_serial_is_asked_for_it(tmp_path: Path, roots: Roots) -> None:
    simulator = BatteryMonitorSimulator()
    async with played(simulator, tmp_path / "port") as port:
        listened = await probe_port(port, inquiry(roots))
        asked = await probe_port(port, inquiry(roots, may_ask=True))
    assert listened.fields()["product"] == asked.fields()["product"] == "battery_monitor"
    assert asked.fields()["serial"] == simulator.serial
    assert simulator.executed == []


async def test_a_multi_is_heard_and_asked_who_it_is(tmp_path: Path, roots: Roots) -> None:
    simulator = VeBusSimulator()
    async with played(simulator, tmp_path / "port") as port:
        listened = await probe_port(port, inquiry(roots, family="vebus_mk3"))
        assert summary(listened)[:4] == ("operational", "vebus_mk3", None, "MultiPlus or Quattro")
        assert simulator.received == []
        assert summary(await probe_port(port, inquiry(roots, family="vebus_mk3", may_ask=True))) == MULTI
    assert list(simulator.states) == []
    assert list(simulator.lines_set) == []
    assert list(simulator.forbidden) == []


@pytest.mark.parametrize("may_ask", [False, True])
async def test_a_silent_mk3_is_asleep(may_ask: bool, tmp_path: Path, roots: Roots) -> None:
    port = tmp_path / "usb-VictronEnergy_MK3-USB_Interface-if00-port0"
    Terminal(port)
    result = await probe_port(str(port), inquiry(roots, BRISK, may_ask=may_ask))
    assert result.status is Status.ASLEEP
    assert "the Multi or Quattro powers it" in result.text


@pytest.mark.parametrize(
    ("family", "make", "expected"),
    [
        (
            "apsystems",
            ApsystemsSimulator,
            (
                "operational",
                "apsystems",
                None,
                "zigbee coordinator (Z-Stack)",
                "00:12:4B:00:0A:2D:7C:4B",
                None,
            ),
        ),
        (
            "can_battery",
            lambda: PylontechBatterySimulator(lawicel=True),
            ("operational", "can", None, "slcan adapter", "SIM1", "V1013"),
        ),
        (
            "can_bms",
            PylontechBatterySimulator,
            (
                "operational",
                "can",
                None,
                "slcan adapter",
                "SIM1",
                "d2cb159 github.com/normaldotcom/canable-fw.git",
            ),
        ),
        (
            "modbus",
            Series607Simulator,
            ("operational", "modbus", None, "LuxorParts Series607 1000W", None, None),
        ),
    ],
)
async def test_what_says_nothing_unasked_is_asked(
    family: str, make: object, expected: tuple[object, ...], tmp_path: Path, roots: Roots
) -> None:
    assert callable(make)
    async with played(make(), tmp_path / "port") as port:
        silent = await probe_port(port, inquiry(roots, BRISK, family=family))
        assert (silent.status, "nothing was sent" in silent.text) == (Status.SILENT, True)
        result = await probe_port(port, inquiry(roots, ASKING, family=family, may_ask=True))
    assert summary(result) == expected


async def test_a_slave_is_asked_at_the_unit_that_a_person_names(tmp_path: Path, roots: Roots) -> None:
    simulator = Series607Simulator()
    async with played(simulator, tmp_path / "port") as port:
        look = inquiry(roots, ASKING, family="modbus", may_ask=True, units=(42,), rates=(38400,))
        result = await probe_port(port, look)
        assert result.found is not None
        assert result.found.options == {
            "map": "series607", "baudrate": 38400, "remote_unit": 42, "serial": "INVERTER1",
        }  # fmt: skip
        simulator.misbehave("refuse", "2")
        result = await probe_port(port, look)
    assert summary(result)[:4] == ("operational", "modbus", None, "Modbus slave")
    assert "no model known here" in result.text
    assert {heard.frame[1] for heard in simulator.received} == {3}


async def test_whoever_holds_a_port_is_named(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "port")
    roots = Roots(proc=tmp_path / "proc")
    other = roots.proc / "4711"
    (other / "fd").mkdir(parents=True)
    (other / "comm").write_text("minicom\n")
    (other / "fd/5").symlink_to(terminal.path)
    result = await probe_port(str(tmp_path / "port"), inquiry(roots, BRISK, may_ask=True))
    assert result.status is Status.BUSY
    assert result.text.startswith("in use by minicom (pid 4711): stop that program first")


async def test_a_port_that_is_locked_is_busy(tmp_path: Path, roots: Roots) -> None:
    port = PortInQuestion(Terminal().path, SystemClock())
    from bridge.adapters.vedirect.probe import SETTINGS

    async with port.open(SETTINGS):
        result = await probe_port(port.port, inquiry(roots, BRISK, may_ask=True))
    assert result.status is Status.BUSY


async def test_no_such_port(tmp_path: Path, roots: Roots) -> None:
    result = await probe_port(str(tmp_path / "gone"), inquiry(roots, BRISK, may_ask=True))
    assert result.status is Status.PORT_MISSING
    assert "no such port" in result.text


async def test_a_port_of_somebody_else(tmp_path: Path, roots: Roots, monkeypatch: pytest.MonkeyPatch) -> None:
    port = Terminal(tmp_path / "port")
    real = os.open

    def refuse(path: object, flags: int, *more: int) -> int:
        if str(path) == str(tmp_path / "port"):
            raise PermissionError(13, "Permission denied")
        return real(path, flags, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refuse)
    result = await probe_port(str(tmp_path / "port"), inquiry(roots, BRISK, may_ask=True))
    assert result.status is Status.DENIED
    assert "sudo usermod -aG" in result.text
    assert stat.S_ISCHR(Path(port.path).stat().st_mode)


async def test_what_is_no_port_at_all(tmp_path: Path, roots: Roots) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("dear bridge")
    result = await probe_port(str(file), inquiry(roots, BRISK, may_ask=True))
    assert result.status is Status.UNUSABLE


async def test_a_gps_is_named_and_left_alone(tmp_path: Path, roots: Roots) -> None:
    with Talker(tmp_path / "gps", NMEA) as gps:
        result = await probe_port(gps.port, inquiry(roots, may_ask=True))
        assert result.status is Status.WRONG_DEVICE
        assert "a GPS or another NMEA 0183 talker" in result.text
        assert gps.told == b""


@pytest.mark.parametrize("may_ask", [False, True])
async def test_bytes_that_nobody_understands_are_shown(may_ask: bool, tmp_path: Path, roots: Roots) -> None:
    raw_terminal(tmp_path / "port", b"temperature 21.5 in the hen house\r\n")
    result = await probe_port(str(tmp_path / "port"), inquiry(roots, BRISK, may_ask=may_ask))
    assert result.status is Status.WRONG_DEVICE
    assert 'text such as "temperature 21.5 in the hen house"' in result.text


async def test_nobody_at_all(tmp_path: Path, roots: Roots) -> None:
    terminal = Terminal(tmp_path / "port")
    result = await probe_port(str(tmp_path / "port"), inquiry(roots, BRISK, may_ask=True))
    assert (result.status, result.found) == (Status.SILENT, None)
    assert "nobody has answered any question" in result.text
    os.read(terminal.master, 4096)  # it was asked


async def test_a_port_that_is_only_listened_to_is_sent_nothing(tmp_path: Path, roots: Roots) -> None:
    terminal = Terminal(tmp_path / "port")
    result = await probe_port(str(tmp_path / "port"), inquiry(roots, BRISK))
    assert result.status is Status.SILENT
    with pytest.raises(OSError, match=r"Input/output|temporarily"):
        os.read(terminal.master, 4096)


async def test_no_probe_can_send_where_it_may_not(tmp_path: Path) -> None:
    from bridge.adapters.vedirect.probe import SETTINGS

    port = PortInQuestion(Terminal().path, SystemClock())
    async with port.open(SETTINGS) as line:
        with pytest.raises(PermissionError, match="nobody has named it"):
            await port.ask(line, b":154\n", lambda _data, _now: None, 0.01)


async def test_a_cable_pulled_while_it_is_probed(tmp_path: Path, roots: Roots) -> None:
    terminal = Terminal(tmp_path / "port")
    result = await probe_port(
        str(tmp_path / "port"), inquiry(roots, PATIENT, may_ask=True), lambda _: terminal.unplug()
    )
    assert result.status is Status.PORT_MISSING


def test_modbus_is_asked_last_and_shared_probes_once() -> None:
    names = [name for name, _ in probes_of(InstalledFamilies())]
    assert names == ["vedirect", "vebus_mk3", "apsystems", "can_battery", "modbus"]
    assert [name for name, _ in probes_of(InstalledFamilies(), "sunny_island")] == ["sunny_island"]


def test_our_own_process_is_no_other_program(tmp_path: Path) -> None:
    from bridge.discovery.ports import holders

    with holding(Terminal(tmp_path / "port").path):
        assert holders(str(tmp_path / "port")) == ()


async def test_a_port_behind_a_serial_server(roots: Roots) -> None:
    simulator = ApsystemsSimulator()
    async with TcpWire(SystemClock(), simulator.hear, 0, BYTES_PER_S) as wire:
        playing = asyncio.create_task(simulator.play(wire))
        look = inquiry(roots, ASKING, family="apsystems", may_ask=True)
        result = await probe_port(f"socket://127.0.0.1:{wire.port}", look)
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
    assert summary(result)[:2] == ("operational", "apsystems")


@pytest.mark.parametrize(
    ("port", "status"),
    [("socket://127.0.0.1", Status.UNUSABLE), ("socket://127.0.0.1:1", Status.PORT_MISSING)],
)
async def test_serial_servers_that_are_not_there(port: str, status: Status, roots: Roots) -> None:
    assert (await probe_port(port, inquiry(roots, BRISK, may_ask=True))).status is status
