"""`write` against a foreign server: what goes out on the wire, and what is made of each reply."""

from collections.abc import Sequence

import pytest

from tests.cli.conftest import UNIT, Command
from tests.cli.far_end import FarEnd, OnWrite, store

LIMIT = 0x3011
MODE = 0x3010
CONFIRMED, ADJUSTED, REFUSED, OFFLINE, SUPERSEDED, BUSY, TIMED_OUT, PENDING = range(1, 9)


def answering(code: int, outcome: int | None = None, address: int | None = LIMIT) -> OnWrite:
    """A bridge that refuses with `code` and says `outcome` in its status block, if anything."""

    def on_write(far: FarEnd, unit: int, written: int, words: Sequence[int]) -> int:
        if outcome is not None:
            far.status(unit, attempts=8, outcome=outcome, address=address, exception_code=code)
        return code

    return on_write


@pytest.mark.parametrize(
    ("path", "value", "sent"),
    [
        ("/Settings/ChargeCurrentLimit", "10", (UNIT, 6, LIMIT, [100])),
        ("/Settings/ChargeCurrentLimit", "25.6", (UNIT, 6, LIMIT, [256])),
        ("/Settings/ChargeCurrentLimit", "1e1", (UNIT, 6, LIMIT, [100])),
        ("/Mode", "on", (UNIT, 6, MODE, [1])),
        ("/Mode", "OFF", (UNIT, 6, MODE, [4])),
        ("/Mode", "0", (UNIT, 6, MODE, [0])),
    ],
)
def test_what_goes_out(far: FarEnd, site: str, command: Command, path: str, value: str, sent) -> None:
    ended = command("write", "--site", site, "charger", path, value)
    assert (ended.status, ended.err) == (0, "")
    assert far.writes == [sent]


def test_confirmed_as_json_shows_the_register_afterwards(far: FarEnd, site: str, command: Command) -> None:
    ended = command("write", "--site", site, "charger", "/Settings/ChargeCurrentLimit", "10", "--json")
    assert ended.status == 0
    assert ended.objects == [
        {
            "device": "charger",
            "path": "/Settings/ChargeCurrentLimit",
            "value": 10,
            "unit_of_measure": "A",
            "age_s": 1,
            "status": "ok",
            "unit": UNIT,
            "table": "holding",
            "address": LIMIT,
            "outcome": "confirmed",
        }
    ]


def test_confirmed_for_a_person(site: str, command: Command) -> None:
    ended = command("write", "--site", site, "charger", "/Settings/ChargeCurrentLimit", "10")
    assert ended.out == "/Settings/ChargeCurrentLimit: confirmed, now 10 A, 1 s old\n"


@pytest.mark.parametrize(
    ("on_write", "outcome", "said"),
    [
        (answering(0x01), "refused", "access: {write: [127.0.0.1]}"),
        (answering(0x02), "refused", "takes no writes; those of charger that do: /Mode"),
        (answering(0x03), "refused", "expected 0 to 60 A"),
        (answering(0x04, REFUSED), "refused", "the device refused it"),
        (answering(0x04, ADJUSTED), "adjusted", "the device put another value in force"),
        (answering(0x06, BUSY), "busy", "wear budget"),
        (answering(0x06, SUPERSEDED), "superseded", "a newer write"),
        (answering(0x0B, OFFLINE), "offline", "the device is not heard"),
        (answering(0x0B, TIMED_OUT), "timed_out", "did not answer"),
        (answering(0x04), "refused", "the device refused it"),
        (answering(0x06), "busy", "wear budget"),
        (answering(0x0B), "offline", "the device is not heard"),
        (answering(0x04, ADJUSTED, address=MODE), "refused", "the device refused it"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_refusals(
    far: FarEnd, site: str, command: Command, on_write: OnWrite, outcome: str, said: str
) -> None:
    far.on_write = on_write
    arguments = ("write", "--site", site, "charger", "/Settings/ChargeCurrentLimit", "10", "--json")
    ended = command(*arguments)
    assert ended.status == 1
    assert [(row["outcome"], row["value"]) for row in ended.objects] == [(outcome, 12.5)]
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("end", "outcome", "status"),
    [(CONFIRMED, "confirmed", 0), (OFFLINE, "offline", 1), (ADJUSTED, "adjusted", 1)],
)
def test_under_way_is_followed_to_its_end(
    far: FarEnd, site: str, command: Command, end: int, outcome: str, status: int
) -> None:
    """05 now; the block says pending for two readings, then how it ended."""
    looks = []

    def on_write(far: FarEnd, unit: int, address: int, words: Sequence[int]) -> int:
        far.status(unit, attempts=8, outcome=PENDING, address=LIMIT, exception_code=5)
        real = far.async_getValues

        async def watched(unit: int, function: int, address: int, count: int):
            found = await real(unit, function, address, count)
            if address == 0xFE00:
                looks.append(address)
                if len(looks) == 2:
                    store(far, UNIT, LIMIT, words)
                    far.status(unit, attempts=8, outcome=end, address=LIMIT, exception_code=0)
            return found

        far.async_getValues = watched  # type: ignore[method-assign]
        return 0x05

    far.on_write = on_write
    ended = command("write", "--site", site, "charger", "/Settings/ChargeCurrentLimit", "10", "--json")
    assert len(looks) >= 3
    assert (ended.status, ended.objects[0]["outcome"]) == (status, outcome)
    assert (ended.err == "") == (status == 0)


@pytest.mark.parametrize("newest", [MODE, None], ids=["another register", "another unit"])
def test_under_way_is_not_confused_with_a_newer_attempt(
    far: FarEnd, site: str, command: Command, newest: int | None
) -> None:
    far.on_write = answering(0x05, CONFIRMED, address=newest)
    ended = command("write", "--site", site, "charger", "/Settings/ChargeCurrentLimit", "10", "--json")
    assert (ended.status, ended.objects[0]["outcome"]) == (1, "pending")


def test_under_way_for_too_long_stays_pending(
    far: FarEnd, site: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.cli.write.FOLLOW_S", 0.3)
    far.on_write = answering(0x05, PENDING)
    ended = command("write", "--site", site, "charger", "/Settings/ChargeCurrentLimit", "10", "--json")
    assert (ended.status, ended.objects[0]["outcome"]) == (1, "pending")
    assert "`inverter-bridge status` shows it" in ended.err


def test_an_old_outcome_is_not_taken_for_the_new_one(far: FarEnd, site: str, command: Command) -> None:
    """The block tells of an earlier attempt at this register; its count has not moved."""
    far.status(UNIT, attempts=7, outcome=ADJUSTED, address=LIMIT)
    far.on_write = answering(0x04)
    ended = command("write", "--site", site, "charger", "/Settings/ChargeCurrentLimit", "10", "--json")
    assert ended.objects[0]["outcome"] == "refused"


@pytest.mark.parametrize(
    ("path", "value", "status", "said"),
    [
        ("/Mode", "onn", 2, "found 'onn', expected a number; did you mean 'on'?"),
        ("/Mode", "eco", 2, "expected one of 1 (on), 4 (off)"),
        ("/Settings/ChargeCurrentLimit", "10A", 2, "found '10A', expected a number; expected 0 to 60 A"),
        ("/Settings/ChargeCurrentLimit", "nan", 2, "expected a finite number"),
        ("/Settings/ChargeCurrentLimit", "1e400", 2, "expected a finite number"),
        ("/Settings/ChargeCurrentLimit", "99999", 1, "does not fit /Settings/ChargeCurrentLimit"),
        ("/Settings/ChargeCurrentLimit", "-5", 1, "does not fit /Settings/ChargeCurrentLimit"),
        ("/Settings/ChargeCurentLimit", "5", 1, "did you mean /Settings/ChargeCurrentLimit?"),
    ],
)
def test_what_cannot_be_sent_is_not(
    far: FarEnd, site: str, command: Command, path: str, value: str, status: int, said: str
) -> None:
    ended = command("write", "--site", site, "charger", path, value)
    assert ended.status == status
    assert said in ended.err
    assert far.writes == []


def test_a_value_out_of_range_is_the_bridges_to_refuse(far: FarEnd, site: str, command: Command) -> None:
    """It sees the attempt, counts it and audits it; a range known here only explains the answer."""
    far.on_write = answering(0x03)
    ended = command("write", "--site", site, "charger", "/Settings/ChargeCurrentLimit", "100")
    assert far.writes == [(UNIT, 6, LIMIT, [1000])]
    assert ended.status == 1
    assert "out of range: expected 0 to 60 A" in ended.err


def test_an_option_misspelt_is_usage(site: str, command: Command) -> None:
    assert command("write", "--site", site, "charger", "/Mode", "on", "--jsn").status == 2
