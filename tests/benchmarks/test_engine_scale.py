from __future__ import annotations

from benchmarks.engine_scale import data, measured


def test_the_data_has_the_size_asked_for_and_is_the_same_every_time():
    one = data(2000).interactions

    assert len(one) == 2000
    assert one.equals(data(2000).interactions)


def test_every_step_is_timed():
    result = measured(2000)

    assert result["peak MB"] > 50
    steps = [result[step] for step in result if step not in ("all", "peak MB")]
    assert result["all"] == sum(steps)
    assert all(seconds > 0 for seconds in steps)
