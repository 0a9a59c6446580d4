from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.pairs import RATE_FILE, Bar, Cost, measure, print_bars, print_costs

WALL = Bar("ours / theirs", lambda c: c["ours"].wall_s / c["theirs"].wall_s, 1.5)
RATE = Bar("lines", lambda c: c["ours"].rate, 100, " a s", at_least=True)


@pytest.fixture
def contestant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A benchmark whose contestant is a statement."""
    (tmp_path / "statements.py").write_text("import os, sys\nexec(sys.argv[2])\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return "statements"


def test_a_process_is_measured_with_its_bytecode_and_the_rate_it_tells(contestant, tmp_path):
    tell = f"open({str(tmp_path / RATE_FILE)!r}, 'w').write('7.5')"
    cost = measure(
        contestant, f"assert 'PYTHONDONTWRITEBYTECODE' not in os.environ; {tell}", tmp_path
    )

    assert cost.rate == 7.5
    assert cost.cpu_s > 0
    assert cost.wall_s > 0
    assert cost.peak_gb > 0.001  # a process that was forked from a large one counts as that large
    assert measure(contestant, "pass", tmp_path).rate == 0
    assert os.environ["PYTHONDONTWRITEBYTECODE"] == "1"


def test_a_contestant_that_fails_ends_the_benchmark(contestant, tmp_path):
    with pytest.raises(SystemExit, match=r"^sys\.exit\(3\) ended with 3$"):
        measure(contestant, "sys.exit(3)", tmp_path)


@pytest.mark.parametrize(
    ("walls", "rate", "kept"),
    [
        pytest.param((1.0, 3.0, 1.2), 100, True, id="the-median-holds"),
        pytest.param((1.0, 3.0, 2.0), 100, False, id="the-median-is-over"),
        pytest.param((1.0, 1.0, 1.0), 99, False, id="a-rate-is-under"),
    ],
)
def test_all_bars_are_held_by_the_medians_of_the_rounds(walls, rate, kept, capsys):
    rounds = [{"ours": Cost(wall, 1, 1, rate), "theirs": Cost(1, 1, 1)} for wall in walls]

    assert print_bars([WALL, RATE], rounds, judged=True) is kept
    assert ("MISSED" in capsys.readouterr().out) is not kept
    assert print_bars([WALL, RATE], rounds, judged=False)
    assert "MISSED" not in capsys.readouterr().out


def test_costs_are_medians_and_what_was_measured_once(capsys):
    rounds = [{"ours": Cost(wall, 2, 0.5, 1234)} for wall in (1.0, 9.0, 4.0)]
    print_costs("what it took", rounds, {"building": Cost(7.25, 1, 1)})

    said = capsys.readouterr().out
    assert "what it took" in said
    assert all(text in said for text in ("4.00", "1,234", "building", "7.25"))
    assert "9.00" not in said
