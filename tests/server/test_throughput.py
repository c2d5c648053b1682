"""The throughput figures: ratios are reported as measured, only wrong replies make the run fail."""

import json

import pytest

from benchmarks import throughput
from benchmarks.figures import BRIDGE, LARGE, PIPELINED, SMALL, STOCK
from benchmarks.load import Run


def run(rps: float, cpu_us: float, errors: int = 0) -> Run:
    return Run(rps, 50, 90, errors, int(rps), cpu_us, 0.5, {"lost": errors} if errors else {})


RUNS = {
    (STOCK, SMALL): [run(1000, 40), run(500, 50), run(800, 45)],
    (BRIDGE, SMALL): [run(2000, 10), run(4000, 8), run(3000, 9)],
    (BRIDGE, PIPELINED[0]): [run(9000, 4)],
}


def test_ratios() -> None:
    stock, bridge, pipelined = throughput.rows(RUNS)
    assert (stock["ratio"], stock["ratio_of_medians"], stock["ratio_by_cpu"]) == (1.0, 1.0, 1.0)
    assert (bridge["ratio"], bridge["ratio_of_medians"], bridge["ratio_by_cpu"]) == (4.0, 3.75, 5.0)
    assert bridge["wanted"] == 3.5
    assert "ratio" not in pipelined


@pytest.mark.parametrize(
    ("name", "errors", "status"),
    [(BRIDGE, 0, 0), (BRIDGE, 1, 1), (STOCK, 1, 0)],
    ids=["clean", "bridge", "stock"],
)
def test_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, errors: int, status: int
) -> None:
    runs = {(STOCK, LARGE): [run(100_000, 4)], (BRIDGE, LARGE): [run(10, 400)]}
    runs[name, LARGE].append(run(10, 400, errors))
    monkeypatch.setattr(throughput, "measure", lambda rounds, seconds: runs)
    assert throughput.main(["--json"]) == status
    assert json.loads(capsys.readouterr().out)["throughput"][1]["ratio"] == 0.0
