"""Pairing, the console and the radio's faults, through the adapter, as the commands ask for them."""

from typing import Any

import pytest

from bridge.adapters.apsystems.points import InverterState
from bridge.datastore.operations import OperationFault
from bridge.datastore.values import LinkState
from tests.adapters.apsystems.roof_rig import DS3, QS1, UNPAIRED, YC600, Rig

Patch = pytest.MonkeyPatch
OPEN = {"inverters": UNPAIRED}
FACTORY: dict[str, Any] = {"paired": False, "decoys": 4}


async def test_three_inverters_are_paired_among_decoys(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch, options=OPEN, **FACTORY) as rig:
        await rig.until(lambda: rig.device.link is LinkState.SILENT)
        assert rig.device.link_words == "no inverter is paired: run `inverter-bridge pair`"
        assert rig.value("/Inverters/1/State") == InverterState.NOT_PAIRED
        steps = await rig.asked("pair")
        done = {step["serial"]: step["answer"] for step in steps if step.get("done")}
        assert done == {YC600: "0x103A", QS1: "0x2A3D", DS3: "0x7C3A"}
        assert [step["polled"] for step in steps if "polled" in step] == ["answered"] * 3
        assert any(step["echoes"] for step in steps if "echoes" in step)
        await rig.polled()
        assert rig.device.link_words == "3 of 3 inverters answer"
    async with rig.restarted(monkeypatch) as again:  # what was learnt is known after a restart
        await again.polled()
        assert again.value("/Inverters/3/Address") == 0x7C3A


async def test_a_second_round_where_the_first_is_not_heard(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch, options=OPEN, **FACTORY) as rig:
        rig.simulator.misbehave("deaf_rounds", "2")
        steps = await rig.asked("pair", serials=[QS1])
        assert [step["round"] for step in steps if step.get("done")] == [3]
        assert [step["sent"] for step in steps if step.get("round") == 1] == [1, 2, 3, 4]


async def test_a_failed_pairing_keeps_the_earlier_one(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch, options=OPEN, **FACTORY) as rig:
        await rig.asked("pair", serials=[DS3])
        rig.simulator.misbehave("dark", DS3)
        steps = await rig.asked("pair", serials=[DS3])
        assert steps[-1]["answer"] is None
        assert "an earlier pairing stays" in str(steps[-1]["text"])
        assert rig.value("/Inverters/3/Address") == 0x7C3A


async def test_pairing_by_night(monkeypatch: Patch) -> None:
    light = {"sunrise": 0.0, "sunset": 24.0}
    async with Rig(monkeypatch, hour=22.0, options=OPEN, **FACTORY, **light) as rig:
        await rig.until(lambda: rig.device.link is LinkState.NIGHT)
        with pytest.raises(OperationFault, match=r"pair after sunrise \(it is at 05:57\), or say --anyway"):
            await rig.asked("pair", serials=[DS3])
        steps = await rig.asked("pair", serials=[DS3], anyway=True)
        assert [step["answer"] for step in steps if step.get("done")] == ["0x7C3A"]


async def test_nothing_to_pair(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch) as rig:
        with pytest.raises(OperationFault, match="all 3 inverters of the site have an address"):
            await rig.asked("pair")
        with pytest.raises(OperationFault, match="expected the 12 digits"):
            await rig.asked("pair", serials=["4080"])


async def test_one_that_is_not_in_the_site_file(monkeypatch: Patch) -> None:
    only = {"inverters": UNPAIRED[:1]}
    async with Rig(monkeypatch, options=only, **FACTORY) as rig:
        steps = await rig.asked("pair", serials=[QS1])
        assert f'add it to the site file: {{serial: "{QS1}"' in str(steps[-1]["text"])
        listed = await rig.asked("pair_list")
        assert [(each["serial"], each["address"], each["from"]) for each in listed] == [
            (YC600, None, None),
            (QS1, "0x2A3D", "pairing, not in the site file"),
        ]


async def test_the_address_of_the_site_file_goes_before_and_says_so(monkeypatch: Patch) -> None:
    wrong = {"inverters": ({**UNPAIRED[0], "address": "9999"},)}
    async with Rig(monkeypatch, options=wrong) as rig:
        steps = await rig.asked("pair", serials=[YC600])
        assert "the site file says address 0x9999, which goes before" in str(steps[-1]["text"])
        assert rig.value("/Inverters/1/Address") == 0x9999


async def test_forgetting(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch, options=OPEN, **FACTORY) as rig:
        await rig.asked("pair", serials=[DS3])
        energy = rig.number("/Inverters/3/Ac/Energy/Forward")
        assert (await rig.asked("forget", serial=DS3))[0]["text"] == "forgotten; its energies stay"
        assert rig.value("/Inverters/3/Address") is None
        assert rig.value("/Inverters/3/State") == InverterState.NOT_PAIRED
        assert rig.number("/Inverters/3/Ac/Energy/Forward") >= energy > 0
        with pytest.raises(OperationFault, match="`pair --list` shows"):
            await rig.asked("forget", serial=DS3)
    async with Rig(monkeypatch) as rig:
        with pytest.raises(OperationFault, match="take `address` out of the site file"):
            await rig.asked("forget", serial=DS3)


async def test_another_ecu_id_than_the_inverters_were_paired_to(
    monkeypatch: Patch, caplog: pytest.LogCaptureFixture
) -> None:
    async with Rig(monkeypatch, options={"ecu_id": "D8A3011B9999", "poll": 20}) as rig:
        await rig.until(lambda: rig.device.link is LinkState.SILENT and "ecu_id" in rig.device.link_words)
        assert "paired to ecu_id D8A3011B9999: is that the `ecu_id` it was paired to" in rig.device.link_words
        await rig.clock.advance(60)
        told = [r.getMessage() for r in caplog.records if f"no answer of inverter {DS3}" in r.getMessage()]
        assert len(told) == 1
        assert "`inverter-bridge pair SERIAL`" in told[0]


async def test_an_inverter_without_an_address_is_told_of_once(
    monkeypatch: Patch, caplog: pytest.LogCaptureFixture
) -> None:
    async with Rig(monkeypatch, options={"inverters": (UNPAIRED[0],), "poll": 20}) as rig:
        await rig.clock.advance(90)
        told = [r.getMessage() for r in caplog.records if "no address of" in r.getMessage()]
        assert len(told) == 1
        assert YC600 in told[0]
        assert "inverter-bridge pair" in told[0]
        polled = await rig.asked("poll_now")
        assert polled[0]["polled"] == "unpaired"


@pytest.mark.parametrize("hour", [12.0, 22.0])
async def test_the_wrong_firmware_is_named_by_day_and_night(
    monkeypatch: Patch, caplog: pytest.LogCaptureFixture, hour: float
) -> None:
    async with Rig(monkeypatch, hour=hour, firmware="stock") as rig:
        await rig.until(lambda: rig.device.link is LinkState.WRONG_DEVICE)
        for text in (rig.device.link_words, caplog.text):
            assert "release 2.6.3, expected product 2, release 2.7.2" in text
            assert "flash the community's coordinator firmware" in text
        await rig.until(lambda: not rig.device.alive, 200)
        assert rig.device.link is LinkState.WRONG_DEVICE
        (health,) = await rig.asked("radio_health")
        assert "2.6.3" in str(health["text"])


@pytest.mark.parametrize("fault", ["frozen soft", "crashed"])
async def test_a_radio_that_freezes_is_back_within_90_s(monkeypatch: Patch, fault: str) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.polled()
        heard = rig.number("/Polls/Answered")
        rig.simulator.misbehave(*fault.split(" "))
        took = await rig.until(lambda: rig.value("/Radio/Restarts") == 1, 90)
        took += await rig.until(lambda: rig.device.link is LinkState.ONLINE, 90 - took)
        polled = await rig.asked("poll_now")
        assert [step["polled"] for step in polled] == ["answered"] * 3
        assert took < 90
        assert rig.number("/Polls/Answered") > heard
        assert rig.device.alive


async def test_the_port_goes_and_comes(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.polled()
        await rig.simulator.unplug()
        await rig.until(lambda: rig.device.link is LinkState.PORT_MISSING)
        assert [step["polled"] for step in await rig.asked("poll_now")] == ["dead"] * 3
        with pytest.raises(OperationFault, match="port is not open"):
            await rig.asked("radio_start")
        await rig.simulator.replug()
        await rig.until(lambda: rig.device.link is LinkState.ONLINE)


async def test_the_console(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.polled()
        (health,) = await rig.asked("radio_health")
        assert health == {
            "state": "ready",
            "well": True,
            "text": "well: coordinator, up",
            "ieee": "D8:A3:01:1B:97:80:FF:FF",
            "firmware": "product 2, release 2.7.2",
            "restarts": 0,
        }
        assert {"frame": "FE02610179071C"} in await rig.asked("radio_raw", hex="FE00210120")
        with pytest.raises(OperationFault, match="expected hexadecimal bytes"):
            await rig.asked("radio_raw", hex="hello")
        assert "release 2.7.2" in str((await rig.asked("radio_start"))[0]["text"])
