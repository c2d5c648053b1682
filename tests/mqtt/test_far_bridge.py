"""Reports put together: whatever of them is lost, doubled or out of order, what is believed was so."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from bridge.adapters.remote.far_bridge import FarBridge
from bridge.datastore.clock import ManualClock
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import LinkState, Value
from bridge.exchange.report import DeviceReport, Report, decode_report
from bridge.outlets.mqtt_stream import Stream

NOW = 50.0


def report(number: int, value: float, *, session: str = "s", whole: bool = False) -> Report:
    told = DeviceReport("d", LinkState.ONLINE, True, {0: value})
    return Report(session, number, 1000.0 + number, {"a": told}, whole)


def begun() -> FarBridge:
    bridge = FarBridge()
    bridge.answered(report(5, 1.0, whole=True), NOW)
    return bridge


def test_nothing_is_believed_before_a_whole_report() -> None:
    bridge = FarBridge()
    assert bridge.reported(report(5, 1.0), NOW) is None
    assert bridge.believed_until(5.0) == float("-inf")
    bridge.answered(report(5, 1.0, whole=True), NOW)
    assert 54.9 < bridge.believed_until(5.0) <= 55.0


def test_a_report_that_comes_twice_or_late_changes_nothing() -> None:
    bridge = begun()
    assert bridge.reported(report(6, 2.0), NOW + 1) == {"a": {0}}
    for late in (report(6, 9.0), report(5, 9.0), report(1, 9.0)):
        assert bridge.reported(late, NOW + 1) == {}
    assert bridge.devices["a"].values == {0: 2.0}
    assert bridge.as_of == 1006.0


def test_after_a_gap_nothing_new_is_believed_until_all_is_told_again() -> None:
    bridge = begun()
    assert bridge.reported(report(7, 3.0), NOW + 2) is None
    assert bridge.reported(report(8, 4.0), NOW + 3) is None
    assert (bridge.as_of, bridge.devices["a"].values) == (1005.0, {0: 1.0})
    bridge.answered(report(8, 4.0, whole=True), NOW + 3)
    assert bridge.reported(report(9, 5.0), NOW + 4) == {"a": {0}}


def test_an_answer_that_is_not_whole_makes_no_value_younger() -> None:
    bridge = begun()
    bridge.answered(Report("s", 5, 1009.0), NOW + 4)
    assert bridge.as_of == 1005.0


def test_a_new_run_begins_with_nothing() -> None:
    bridge = begun()
    assert bridge.reported(report(6, 7.0, session="t"), NOW + 1) is None
    assert bridge.devices == {}
    assert bridge.believed_until(1000.0) == float("-inf")


def test_a_report_from_the_future_ends_what_was_known_of_the_clock() -> None:
    bridge = begun()
    slept = Report("s", 6, 1005.0 + 3600, {})
    assert bridge.reported(slept, NOW + 1) is None
    assert bridge.believed_until(1000.0) == float("-inf")


values = st.none() | st.floats(-100, 100) | st.integers(-5, 5)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.dictionaries(st.sampled_from(["/A", "/B", "/C"]), values, min_size=1)),
        st.tuples(st.just("report"), st.sampled_from(["heard", "lost", "twice"])),
        st.tuples(st.just("ask"), st.none()),
        st.tuples(st.just("declare"), st.lists(st.sampled_from(["/A", "/B", "/C"]), unique=True, min_size=1)),
        st.tuples(st.just("forget"), st.none()),
    ),
    max_size=30,
)  # fmt: skip


@given(steps)
def test_after_any_losses_what_was_told_whole_is_what_is_there(done: list[tuple[str, object]]) -> None:
    clock = ManualClock()
    datastore = Datastore(clock, StateStore(None))
    device = datastore.add("a")
    device.declare([PointSpec(path) for path in ("/A", "/B", "/C")], [GroupSpec("g", None)], [["g"]])
    stream, bridge = Stream(datastore, clock, lambda _: None), FarBridge()

    def heard(how: str) -> None:
        for name, about in tuple(stream.abouts()):
            bridge.take_about(name, about)
        sent = stream.changes().encode()
        for _ in range({"heard": 1, "lost": 0, "twice": 2}[how]):
            bridge.reported(decode_report(sent), clock.monotonic())

    def ask() -> None:
        for name, about in tuple(stream.abouts()):
            bridge.take_about(name, about)
        bridge.answered(decode_report(stream.answer(whole=True).encode()), clock.monotonic())

    def shown() -> Mapping[str, Value | None]:
        about = bridge.about("a")
        assert about is not None
        found = bridge.devices["a"].values
        return {about.points[place].path: one for place, one in found.items()}

    for what, argument in done:
        if what == "publish":
            assert isinstance(argument, dict)
            device.publish("g", {path: one for path, one in argument.items() if device.has(path)})
        elif what == "report":
            heard(str(argument))
        elif what == "ask":
            ask()
        elif what == "declare":
            assert isinstance(argument, list)
            device.declare([PointSpec(path) for path in argument], [GroupSpec("g", None)], [["g"]])
        else:
            device.forget()
    heard("heard")
    if not bridge.whole:
        ask()
    there = {path: device.reading(path) for path in device.paths}
    assert shown() == {path: one.value for path, one in there.items() if one.quality.value != "stale"}
