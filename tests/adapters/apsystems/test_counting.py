"""How one poll follows from the one before: a table of what can happen to an inverter between two answers."""

import pytest

from bridge.adapters.apsystems.counting import Facts, Run, Sample, begun, step
from tests.adapters.apsystems.year import MODELS, facts_of

#: Seconds never wrap, seconds wrap: one count is 0.1 Wh, so that 300 s of 400 W are 333 counts.
LONG = Facts(1 << 32, 1 << 24, 0.1, 400.0)
SHORT = Facts(1 << 16, 1 << 24, 0.1, 400.0)
BOTH = (LONG, SHORT)
HOUR = 3600.0

CASES = [
    # what has happened, facts, before, now, our own time in between, run, counts of the first panel, its time
    ("the next poll", BOTH, (1000, 500), (1300, 800), 300.0, Run.SAME, 300, 300),
    ("polls lost for two hours", BOTH, (1000, 500), (8200, 3500), 2 * HOUR, Run.SAME, 3000, 7200),
    ("the same answer again", BOTH, (1000, 500), (1000, 500), 300.0, Run.REPEATED, None, None),
    ("an older answer, late", BOTH, (1300, 800), (1290, 790), 4.0, Run.LATE, None, None),
    ("a restart at noon", BOTH, (20000, 90000), (200, 150), 300.0, Run.NEW, 150, 200),
    ("a restart with a dim second run", BOTH, (20000, 10), (200, 15), 300.0, Run.NEW, 15, 200),
    ("a night", BOTH, (40000, 90000), (700, 20), 14 * HOUR, Run.NEW, 20, 700),
    (
        "a night, asked later than the day before",
        BOTH,
        (3000, 40),
        (9000, 900),
        24 * HOUR,
        Run.NEW,
        900,
        9000,
    ),
    ("a night, asked at the very same second", BOTH, (3000, 40), (3000, 900), 24 * HOUR, Run.NEW, 900, 3000),
    ("a night, then more than the day before", BOTH, (6200, 195), (6226, 345), 11 * HOUR, Run.NEW, 345, 6226),
    ("seconds that wrap", (SHORT,), (65400, 90000), (164, 90100), 300.0, Run.SAME, 100, 300),
    (
        "seconds that wrap while nobody asks",
        (SHORT,),
        (60000, 50000),
        (8864, 51000),
        4 * HOUR,
        Run.SAME,
        1000,
        14400,
    ),
    ("a restart near a wrap", (SHORT,), (65400, 90000), (164, 30), 300.0, Run.NEW, 30, 164),
    ("a counter that wraps", BOTH, (9000, (1 << 24) - 100), (9300, 200), 300.0, Run.SAME, 300, 300),
    ("a counter that falls in one run", BOTH, (9000, 5000), (9300, 4000), 300.0, Run.IMPLAUSIBLE, None, None),
    ("more than the panel can give", BOTH, (9000, 5000), (9300, 5900), 300.0, Run.IMPLAUSIBLE, None, None),
    ("seconds that cannot be", (LONG,), (20000, 90000), (9000, 400), 300.0, Run.DOUBTED, None, None),
    ("our clock was set forward meanwhile", BOTH, (20000, 500), (20300, 800), 3 * HOUR, Run.SAME, 300, 300),
    ("our clock is not set", BOTH, (1000, 500), (1300, 800), None, Run.SAME, 300, 300),
    ("our clock is not set, a restart", BOTH, (1000, 500), (1300, 200), None, Run.NEW, 200, 1300),
    ("our clock is not set, a wrap", (SHORT,), (65400, 500), (164, 600), None, Run.SAME, 100, 300),
    ("our clock is not set, the same", BOTH, (1000, 500), (1000, 500), None, Run.REPEATED, None, None),
]


@pytest.mark.parametrize(
    ("facts", "before", "now", "elapsed_s", "run", "counts", "span_s"),
    [
        pytest.param(facts, *rest, id=f"{what}, {'short' if facts is SHORT else 'long'}")
        for what, several, *rest in CASES
        for facts in several
    ],
)
def test_a_step(
    facts: Facts,
    before: tuple[int, int],
    now: tuple[int, int],
    elapsed_s: float | None,
    run: Run,
    counts: int | None,
    span_s: int | None,
) -> None:
    # The second panel stands still, so that no case is decided by it.
    judged = step(Sample(before[0], (before[1], 0)), Sample(now[0], (now[1], 0)), elapsed_s, facts)
    assert judged.run is run, judged
    if counts is not None:
        assert (judged.counts, judged.span_s) == ((counts, 0), span_s)


def test_what_a_doubt_says() -> None:
    judged = step(Sample(9000, (0, 5000)), Sample(9300, (0, 5900)), 300.0, LONG)
    assert "90.0 Wh more of panel 2 in 300 s, that is 1080 W" in judged.text
    assert "set `panel_power`" in judged.text


@pytest.mark.parametrize("model", MODELS)
def test_a_first_answer_can_only_hold_what_panels_can_give(model: object) -> None:
    facts = facts_of(model)  # type: ignore[arg-type]
    panels = (round(390 / facts.wh_per_count),) * 2
    assert begun(Sample(3600, panels), facts).run is Run.NEW
    assert begun(Sample(2000, panels), facts).run is Run.IMPLAUSIBLE
