"""`history` and `notify` in a site file: what is taken, and the words for what is not."""

from pathlib import Path

import pytest

from bridge.site.history import HistoryOutlet
from bridge.site.notices import DEFAULT_ON, Notice, NotifyOutlet, notice
from tests.outlets.test_site_section import load

DURATION = "expected seconds or a duration such as 500 ms, 30 s, 5 min, 1 h or 1 d"
KINDS = "'offline 10 min', 'wear 80 %' or one of hold phase, refused write, lease end, energy spike"
ADDRESS = "expected an address such as https://ntfy.sh/my-boathouse"


@pytest.mark.parametrize(
    ("written", "outlet"),
    [
        ("{history: }", HistoryOutlet()),
        (
            "{history: {sample: 1 min, raw: 7 d, write: 5 min}}",
            HistoryOutlet(sample=60.0, raw=604800.0, write=300.0),
        ),
        (
            "{history: {include: [charger, '*:/Soc', '*']}}",
            HistoryOutlet(include=("charger:*", "*:/Soc", "*")),
        ),
        (
            "{history: {file: /data/long.sqlite, power: 5000}}",
            HistoryOutlet(file="/data/long.sqlite", power=5000.0),
        ),
    ],
)
def test_a_history(tmp_path: Path, written: str, outlet: HistoryOutlet) -> None:
    found = load(tmp_path, written)
    assert found.problems == ()
    assert found.site is not None
    assert found.site.outlets.history == outlet


@pytest.mark.parametrize(
    ("written", "outlet"),
    [
        ("{notify: {url: 'https://ntfy.sh/x', format: text}}", NotifyOutlet(url="https://ntfy.sh/x", format="text")),
        ("{notify: {heartbeat: 'http://[::1]:8000/ping', every: 5 min}}", NotifyOutlet(heartbeat="http://[::1]:8000/ping", every=300.0)),
        ("{notify: {url: 'http://a', on: hold phase}}", NotifyOutlet(url="http://a", on=("hold phase",))),
        ("{notify: {url: 'http://a', headers: {Authorization: Bearer x}}}", NotifyOutlet(url="http://a", headers={"Authorization": "Bearer x"})),
    ],
)  # fmt: skip
def test_a_place_for_messages(tmp_path: Path, written: str, outlet: NotifyOutlet) -> None:
    found = load(tmp_path, written)
    assert found.problems == ()
    assert found.site is not None
    assert found.site.outlets.notify == outlet


def test_an_address_may_be_a_secret(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("https://ntfy.sh/secret\n")
    found = load(tmp_path, "{notify: {url_file: url}}")
    assert found.site is not None, found.problems
    assert found.site.outlets.notify == NotifyOutlet(url="https://ntfy.sh/secret")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{history: {sample: 7 s}}", "1:29: found the text '7 s', expected 1, 2, 5, 10, 15, 20, 30 or 60 s"),
        ("{history: {raw: 5 min}}", "1:26: found the text '5 min', expected 3600 to 3162240000 s"),
        ("{history: {write: 1}}", "1:28: found the number 1, expected 10 to 3600 s"),
        ("{history: {include: [a b]}}", "1:31: found the text 'a b', expected device:/Path, with * for any part, such as \"charger:/Dc/*\""),
        ("{history: {file: state.sqlite}}", "1:27: found the text 'state.sqlite', expected a file whose name ends in .sqlite, other than state.sqlite"),
        ("{notify: {url: 'ftp://x'}}", f"1:25: found the text 'ftp://x', {ADDRESS}"),
        ("{notify: {url: 'http://x:99999'}}", f"1:25: found the text 'http://x:99999', {ADDRESS}"),
        ("{notify: {url: 'http://x', on: [offline ten]}}", f"1:42: found the text 'offline ten', {DURATION}"),
        ("{notify: {url: 'http://x', on: [wear 180 %]}}", f"1:42: found the text 'wear 180 %', expected {KINDS}"),
        ("{notify: {url: 'http://x', headers: {A: \"b\\nc: d\"}}}", "1:50: found the text 'b c: d', expected one line of plain letters, digits and signs"),
        ("{notify: }", "expected 'url' or 'heartbeat' in it"),
        ("{notify: {url: 'http://x', every: 1 s}}", "1:44: found the text '1 s', expected 10 to 86400 s"),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, written: str, said: str) -> None:
    found = load(tmp_path, written).problems
    assert len(found) == 1
    (one,) = found
    whole = f"{one.line}:{one.column}: {one.message}" + (f", {one.hint}" if one.hint else "")
    assert whole.endswith(said)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("offline 10 min", Notice("offline", 600.0)),
        ("offline 90", Notice("offline", 90.0)),
        ("offline  1 h", Notice("offline", 3600.0)),
        ("wear 80 %", Notice("wear", 80.0)),
        ("wear 80%", Notice("wear", 80.0)),
        ("hold  phase", Notice("hold phase")),
    ],
)
def test_what_to_tell_of(written: str, found: Notice) -> None:
    assert notice(written) == found


def test_all_is_told_unless_said_otherwise() -> None:
    kinds = {notice(written).kind for written in DEFAULT_ON}
    assert kinds == {"offline", "hold phase", "refused write", "lease end", "wear", "energy spike"}
