"""The settings of a unit: read in both forms, never written, and absent where the unit has none."""

import pytest

from bridge.adapters.vebus_mk3.messages import SlotReply, Winmon, WinmonReply
from bridge.adapters.vebus_mk3.points import POINTS
from bridge.adapters.vebus_mk3.settings import SETTINGS, SettingInfo, SettingsReader, setting_info
from bridge.datastore.values import Quality
from tests.adapters.vebus_mk3.rig import MODE, ON, Rig

SPLIT = bytes.fromhex("9cff 8a0000 8b400b 8c6c07 8d800c")  # -100, 0, 2880, 1900, 3200
COMBINED = bytes.fromhex("9cff 0000 400b 6c07 800c")
SPECS = {spec.path: spec for spec in POINTS}


@pytest.mark.parametrize(
    ("data", "info"),
    [
        (SPLIT, SettingInfo(-100, 0, 1900, 3200)),
        (COMBINED, SettingInfo(-100, 0, 1900, 3200)),
        (bytes(10), None),  # scale 0: there is no such setting
        (b"", None),
        (SPLIT[:-1], None),
        (SPLIT.replace(b"\x8b", b"\x8c", 1), None),
    ],
)
def test_info(data: bytes, info: SettingInfo | None) -> None:
    assert setting_info(data) == info


@pytest.mark.parametrize(
    ("info", "raw", "value"),
    [
        (SettingInfo(-100, 0, 1900, 3200), 2880, 28.8),
        (SettingInfo(1, 0, 0, 70), 35, 35.0),
        (SettingInfo(2, -10, 0, 100), 60, 100.0),
        (SettingInfo(-100, 0, 1900, 3200), 3201, None),  # outside its own range
        (SettingInfo(-100, 0, 1900, 3200), 1899, None),
        (SettingInfo(1, 0, 0, 0xFFFF), 0xFFFF, None),  # not applicable
    ],
)
def test_value(info: SettingInfo, raw: int, value: float | None) -> None:
    assert info.value(raw) == value


@pytest.mark.parametrize("leftover", [False, True])
async def test_settings_are_read(monkeypatch: pytest.MonkeyPatch, leftover: bool) -> None:
    async with Rig(monkeypatch) as rig:
        if leftover:
            rig.simulator.misbehave("combined")
        await rig.clock.advance(120)
        assert rig.device.value("/Settings/AbsorptionVoltage") == 28.8
        assert rig.device.value("/Settings/ChargeCurrentLimit") == 70
        assert rig.device.value("/Settings/AcIn1CurrentLimit") == 50
        assert rig.device.value("/Settings/BatteryCapacity") == 400
        assert rig.device.reading("/Settings/AcIn2CurrentLimit").quality is Quality.ABSENT  # no Quattro


async def test_settings_are_never_written(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.clock.advance(120)
        await rig.write({MODE: ON})
        await rig.clock.advance(30)
        commands = {data[2] for _, data in rig.simulator.received if chr(data[1]) in "WXYZ"}
        assert commands <= {int(command) for command in Winmon}
        assert not [path for path, _ in SETTINGS.values() if SPECS[path].writable]


async def test_a_changed_setting_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.clock.advance(120)
        changed = {**rig.simulator.interface.settings, 2: (2840, -100, 0, 2880, 1900, 3200)}
        monkeypatch.setattr(rig.simulator.interface, "settings", changed)
        await rig.clock.advance(300)
        assert rig.device.value("/Settings/AbsorptionVoltage") == 28.4


def test_a_damaged_answer_is_not_believed() -> None:
    """Of two answers that differ neither is; a setting once read is kept where its unit falls silent."""
    taken: list[tuple[str, float | None]] = []
    reader = SettingsReader(lambda path, value: taken.append((path, value)), lambda: None)
    for data in (SPLIT, COMBINED):
        assert reader.take(SlotReply("X", WinmonReply.SETTING_SCALE, data))
    for raw in (2880, 2881, 2880):
        assert reader.take(SlotReply("X", WinmonReply.SETTING, raw.to_bytes(2, "little")))
        assert taken == []
    reader.take(SlotReply("X", WinmonReply.SETTING, (2880).to_bytes(2, "little")))
    assert taken == [("/Settings/AbsorptionVoltage", 28.8)]


@pytest.mark.parametrize("code", [WinmonReply.NO_SETTING, WinmonReply.UNKNOWN_COMMAND])
def test_a_unit_without_settings(code: WinmonReply) -> None:
    taken: dict[str, float | None] = {}
    over: list[bool] = []
    reader = SettingsReader(taken.__setitem__, lambda: over.append(True))
    for _ in range(3 * len(SETTINGS)):
        assert reader.request() is not None
        reader.take(SlotReply("X", code, b""))
    assert taken == {path: None for path, _ in SETTINGS.values()}
    assert over == [True]
    assert reader.request() is None
