"""CPU time by stage: booked by readings, and all of it accounted for."""

from __future__ import annotations

import time
from collections.abc import Callable

from operators.stage_times import ALL_STAGES, CLIENT, DECODE, EXCHANGE, PUBLISH, StageTimes


def ticking(*readings: float) -> Callable[[], float]:
    left = list(readings)
    return lambda: left.pop(0)


def test_what_passes_between_two_readings_is_booked_on_the_stage() -> None:
    stages = StageTimes(ticking(1.0, 1.5, 4.0, 4.25))
    stages.lap(DECODE, stages.start())
    stages.lap(DECODE, stages.start())
    assert stages.seconds()[DECODE] == 0.75


def test_all_stages_together_are_the_cpu_time_of_the_process_since_the_first_reading() -> None:
    stages = StageTimes()
    before = time.process_time()
    started = stages.start()
    sum(range(200_000))
    started = stages.lap(DECODE, started)
    sum(range(400_000))
    told = stages.seconds()
    after = time.process_time()
    assert tuple(told) == ALL_STAGES
    assert sum(told.values()) <= after - before
    assert told[EXCHANGE] > told[DECODE] > 0  # what the thread did outside of its stages is not lost


def test_a_thread_that_publishes_is_told_apart_from_the_dataflow() -> None:
    stages = StageTimes()
    stages.this_thread_publishes()
    told = stages.seconds()
    assert told[PUBLISH] > 0
    assert told[DECODE] == 0
    assert told[CLIENT] >= 0
