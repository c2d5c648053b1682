"""What is believed at once and what must be told twice: leaping values, and scales nobody has seen."""

from collections.abc import Mapping

import pytest

from bridge.adapters.vebus_mk3 import variables as var
from bridge.adapters.vebus_mk3.messages import SlotReply, WinmonReply
from bridge.adapters.vebus_mk3.plausible import LeapFilter
from bridge.adapters.vebus_mk3.scales import NEEDED, POWERS, USEFUL, Scales
from bridge.adapters.vebus_mk3.variables import VariableInfo
from bridge.datastore.values import Path, Value

GROUP = "dc"


def verdicts(*batches: Mapping[Path, Value | None]) -> list[bool]:
    """What is said of each batch, one after another."""
    leaps = LeapFilter()
    return [leaps.passes(GROUP, batch) for batch in batches]


#: Path, value before, the farthest that passes at once, the nearest that does not.
STEPS = [
    ("/Ac/ActiveIn/L1/V", 230.0, 234.5, 234.7),
    ("/Ac/ActiveIn/L1/V", 230.0, 225.5, 225.3),
    ("/Ac/ActiveIn/L1/V", 10.0, 12.0, 12.1),
    ("/Ac/ActiveIn/L1/V", 0.0, 2.0, 2.1),
    ("/Dc/0/Voltage", 12.0, 12.25, 12.31),
    ("/Dc/0/Voltage", 50.0, 51.0, 51.1),
    ("/Ac/Out/L1/I", 1.0, 1.5, 1.6),
    ("/Ac/Out/L1/I", -10.0, -11.0, -11.1),
    ("/Dc/0/Current", 2.0, 3.0, 3.1),
    ("/Dc/0/Current", -50.0, -45.0, -44.9),
    ("/Ac/Out/L1/F", 50.0, 50.25, 50.35),
    ("/Ac/Out/L1/P", 100.0, 160.0, 161.0),
    ("/Ac/Out/L1/P", 1000.0, 1100.0, 1101.0),
    ("/Ac/Out/L1/P", -1000.0, -900.0, -899.0),
    ("/Dc/0/Power", 0, 60, 61),
    ("/Dc/0/Power", -2000, -2200, -2201),
    ("/Soc", 50.0, 51.0, 51.5),
    ("/Dc/0/RippleVoltage", 0.0, 0.2, 0.3),
    ("/Dc/0/RippleVoltage", 2.0, 2.375, 2.425),
]


@pytest.mark.parametrize(("path", "before", "near", "far"), STEPS)
def test_how_far_a_value_may_go_at_once(path: str, before: float, near: float, far: float) -> None:
    assert verdicts({path: before}, {path: before}, {path: near}) == [False, True, True]
    assert verdicts({path: before}, {path: before}, {path: far}) == [False, True, False]


@pytest.mark.parametrize(
    ("before", "value"), [(9, 8), (1, None), (None, 1), ("on", "off"), (0, 1), (100.0, 100.1)]
)
def test_every_change_of_a_state_is_told_twice(before: Value | None, value: Value | None) -> None:
    first, again, changed, told = verdicts(
        {"/State": before}, {"/State": before}, {"/State": value}, {"/State": value}
    )
    assert (first, again, changed, told) == (False, True, False, True)


@pytest.mark.parametrize(("before", "value"), [(None, 230.0), (230.0, None)])
def test_a_quantity_that_comes_or_goes_is_told_twice(before: float | None, value: float | None) -> None:
    path = "/Ac/ActiveIn/L1/V"
    told = verdicts({path: before}, {path: before}, {path: value}, {path: value})
    assert told == [False, True, False, True]
    assert verdicts({path: None}, {path: None}, {path: None}) == [False, True, True]


def test_one_value_of_a_batch_that_leaps_is_enough() -> None:
    calm = {"/Ac/Out/L1/V": 230.0, "/Ac/Out/L1/I": 1.0}
    assert verdicts(calm, calm, calm | {"/Ac/Out/L1/I": 5.0}) == [False, True, False]
    assert verdicts(calm, calm, calm | {"/Ac/Out/L1/V": 5.0}) == [False, True, False]


def test_other_paths_are_another_batch() -> None:
    one, two = {"/Ac/Out/L1/V": 230.0}, {"/Ac/Out/L1/V": 230.0, "/Ac/Out/L1/I": 1.0}
    assert verdicts(one, one, two, two) == [False, True, False, True]
    assert verdicts(two, two, one, one) == [False, True, False, True]


def test_a_single_damaged_batch_between_good_ones_passes_nowhere() -> None:
    good, bad = {"/Dc/0/Voltage": 12.0}, {"/Dc/0/Voltage": 20.0}
    assert verdicts(good, good, bad, good, bad, good, good) == [False, True, False, True, False, True, True]


def test_what_was_held_back_judges_the_next_batch_alone() -> None:
    a, b, c = ({"/Dc/0/Voltage": value} for value in (12.0, 20.0, 30.0))
    assert verdicts(a, a, b, a, b) == [False, True, False, True, False]
    assert verdicts(a, a, b, c, a) == [False, True, False, False, True]


def test_values_that_differ_every_time_are_so_in_the_end() -> None:
    batches = [{"/Dc/0/Power": 1000.0 * n} for n in range(1, 10)]
    assert verdicts(*batches) == [False, False, True] * 3


def test_groups_know_nothing_of_each_other() -> None:
    leaps = LeapFilter()
    for group in ("dc", "ac 1", "ac 2"):
        assert not leaps.passes(group, {"/Dc/0/Voltage": 12.0})
    for group in ("dc", "ac 1", "ac 2"):
        assert leaps.passes(group, {"/Dc/0/Voltage": 12.0})


def test_what_a_command_brings_about_is_expected() -> None:
    leaps = LeapFilter()
    leaps.expect(GROUP, {"/Mode": 3})
    assert leaps.passes(GROUP, {"/Mode": 3})
    leaps.expect(GROUP, {"/Mode": 4})
    assert leaps.passes(GROUP, {"/Mode": 4})
    assert not leaps.passes(GROUP, {"/Mode": 3})


def test_a_batch_is_kept_as_it_was_told() -> None:
    leaps, batch = LeapFilter(), {"/Dc/0/Voltage": 12.0}
    assert not leaps.passes(GROUP, batch)
    batch["/Dc/0/Voltage"] = 30.0
    assert not leaps.passes(GROUP, batch)
    batch["/Dc/0/Voltage"] = 60.0
    assert leaps.passes(GROUP, {"/Dc/0/Voltage": 30.0})
    leaps.expect(GROUP, batch)
    batch["/Dc/0/Voltage"] = 10.0
    assert not leaps.passes(GROUP, batch)


# -- scales ------------------------------------------------------------------------------------------


def scale(words: bytes, code: int = WinmonReply.SCALE) -> SlotReply:
    return SlotReply("Y", code, words)


def info_words(scale_word: int, offset: int = 0) -> SlotReply:
    return scale(scale_word.to_bytes(2, "little") + offset.to_bytes(2, "little"))


#: Scales of real units, believed at once: scale word, offset word.
USUAL = {
    var.MAINS_V: (0x7F9C, 0),
    var.MAINS_A: (0x8064, 0),
    var.INVERTER_V: (0x7F9C, 0),
    var.INVERTER_A: (0x8064, 0),
    var.BATTERY_V: (0x7F9C, 0),
    var.INVERTER_PERIOD: (0x7857, 0x0100),
    var.MAINS_PERIOD: (0x7C2F, 0),
    var.SOC: (0x7F38, 0),
    var.DC_W: (0xFFFF, 0),
    var.MAINS_W: (0xFFFF, 0),
    var.OUTPUT_W: (0xFFFF, 0),
}


@pytest.mark.parametrize(("variable", "words"), USUAL.items())
def test_a_usual_scale_is_believed_at_once(variable: int, words: tuple[int, int]) -> None:
    scales = Scales()
    assert scales.missing((variable,)) == [variable]
    assert scales.told(variable, 0, info_words(*words))
    assert scales.missing((variable,)) == []
    assert scales.supported((variable,)) == (variable,)
    assert scales.info(variable) is not None


@pytest.mark.parametrize("variable", range(17))
def test_any_other_scale_must_be_told_twice_alike(variable: int) -> None:
    scales, odd, other = Scales(), info_words(0x7FF3), info_words(0x7FF4)
    assert not scales.told(variable, 0, odd)
    assert scales.info(variable) is None
    assert not scales.told(variable, 0, other)
    assert not scales.told(variable, 0, odd)
    assert scales.missing((variable,)) == [variable]
    assert scales.told(variable, 0, odd)
    signed = variable in (var.MAINS_A, var.INVERTER_A)
    assert scales.info(variable) == VariableInfo(signed, divisor=13)


@pytest.mark.parametrize("words", [(0x8064, 0), (0x800A, 0)])
def test_the_battery_current_has_two_usual_scales_and_so_none(words: tuple[int, int]) -> None:
    scales = Scales()
    assert not scales.told(var.BATTERY_A, 0, info_words(*words))
    assert scales.told(var.BATTERY_A, 0, info_words(*words))


@pytest.mark.parametrize(
    "refusal", [scale(b"", WinmonReply.NO_RAM), scale(b"", WinmonReply.UNKNOWN_COMMAND), scale(b"\x00")]
)
def test_what_a_unit_says_twice_that_it_has_not_is_dropped(refusal: SlotReply) -> None:
    scales = Scales()
    assert not scales.told(var.SOC, 0, refusal)
    assert scales.missing((var.SOC,)) == [var.SOC]
    assert scales.told(var.SOC, 0, refusal)
    assert scales.missing((var.SOC,)) == []
    assert scales.supported((var.SOC,)) == ()
    assert scales.info(var.SOC) is None


@pytest.mark.parametrize("code", [WinmonReply.RAM, WinmonReply.NO_SETTING, WinmonReply.SETTING_SCALE, 0x00])
def test_another_reply_tells_no_scale(code: int) -> None:
    scales = Scales()
    for _ in range(3):
        assert not scales.told(var.MAINS_V, 0, scale(bytes.fromhex("9c7f0000"), code))
    assert scales.missing((var.MAINS_V,)) == [var.MAINS_V]


def test_each_unit_has_its_own() -> None:
    scales = Scales()
    assert scales.told(var.DC_W, 1, info_words(0xFFFF))
    assert (scales.info(var.DC_W, 0), scales.info(var.DC_W, 1)) == (None, VariableInfo(True))
    assert scales.missing(POWERS, 1) == [var.MAINS_W, var.OUTPUT_W]
    assert scales.supported(POWERS, 1) == (var.DC_W,)
    assert (scales.missing(POWERS), scales.supported(POWERS)) == (list(POWERS), ())
    scales.drop(POWERS, 2)
    assert (scales.missing(POWERS, 2), scales.supported(POWERS, 2)) == ([], ())
    scales.drop(POWERS)
    assert (scales.missing(POWERS), scales.info(var.DC_W, 1)) == ([], VariableInfo(True))


def test_silence_drops_a_variable_at_the_fourth_question() -> None:
    scales = Scales()
    for _ in range(3):
        scales.unanswered(var.RELAY, 0)
        scales.unanswered(var.SOC, 0)
    assert scales.missing((var.RELAY, var.SOC)) == [var.RELAY, var.SOC]
    scales.unanswered(var.RELAY, 1)
    assert scales.missing((var.RELAY,), 1) == [var.RELAY]
    scales.unanswered(var.RELAY, 0)
    assert scales.missing((var.RELAY, var.SOC)) == [var.SOC]
    assert scales.supported((var.RELAY,)) == ()


def test_what_is_asked_for() -> None:
    assert NEEDED == (4, 5, 7, 0, 1, 2, 3, 8, 14, 15, 16)
    assert POWERS == (14, 15, 16)
    assert USEFUL == (13, 6, 11, 12)
