"""A short storm in every run of the tests; `make soak` lets a long one blow."""

import pytest

from tests.storm.vedirect import storm


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_wrong_is_served_and_nothing_acknowledged_that_did_not_happen(seed: int) -> None:
    report = await storm(60.0, seed)
    verdicts = report.verdicts
    assert verdicts.judged > 1000
    assert verdicts.confirmed > 5
    assert report.unplugged > 1
    assert verdicts.wrong == []
    assert verdicts.lies == []
