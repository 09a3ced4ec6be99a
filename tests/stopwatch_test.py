"""Seconds of a command and of its parts."""

import pytest

from mfrec import stopwatch
from mfrec.stopwatch import Stopwatch


def test_parts_are_added_up_by_name_also_if_they_fail(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: now[0])
    clock = Stopwatch()
    for seconds in (2.0, 3.0):
        with pytest.raises(KeyError), clock.part("read"):
            now[0] += seconds
            raise KeyError
    now[0] += 1.0
    assert dict(clock.seconds) == {"read": 5.0} and clock.elapsed == 6.0
    assert clock.seconds["never"] == 0.0
