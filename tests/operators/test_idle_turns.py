"""A thread that only waits for the others leaves them the processor."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from threading import get_ident
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.operators import StatefulBatchLogic
from bytewax.testing import TestingSink, cluster_main

from operators.idle_turns import ALWAYS_DUE, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, IdleTurns
from operators.stage_times import WINDOWS, StageTimes


def paused(stages: StageTimes) -> tuple[IdleTurns, list[float]]:
    """Turns that note their pauses instead of making them."""
    pauses: list[float] = []
    return IdleTurns(stages, pauses.append), pauses


def test_pauses_grow_with_every_turn_in_which_nothing_is_done_up_to_the_longest() -> None:
    turns, pauses = paused(StageTimes())
    for _ in range(100):
        turns.turn()
    assert pauses[0] == FIRST_PAUSE_SECONDS
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_SECONDS


def test_a_turn_in_which_a_stage_was_at_work_makes_no_pause_and_the_next_ones_begin_anew() -> None:
    stages = StageTimes()
    turns, pauses = paused(stages)
    for _ in range(5):
        turns.turn()
    stages.lap(WINDOWS, stages.start())
    turns.turn()
    assert len(pauses) == 5
    turns.turn()
    assert pauses[-1] == FIRST_PAUSE_SECONDS


def test_one_of_those_that_may_tell_of_turns_does() -> None:
    turns, _ = paused(StageTimes())
    first, second = object(), object()
    assert turns.are_told_by(first)
    assert not turns.are_told_by(second)
    assert turns.are_told_by(first)


class _Partition(StatefulSourcePartition[tuple[str, str], int]):
    """An item for every key in the first turn, and one more behind the epoch that ends with that turn."""

    def __init__(self, keys: list[str]) -> None:
        self._keys = keys
        self._turn = 0

    def next_batch(self) -> list[tuple[str, str]]:
        self._turn += 1
        if self._turn > 2:
            raise StopIteration
        return [(key, key) for key in self._keys]

    def next_awake(self) -> datetime:
        return ALWAYS_DUE

    def snapshot(self) -> int:
        return self._turn


class _Source(FixedPartitionedSource[tuple[str, str], int]):
    """A partition for each of two workers."""

    def list_parts(self) -> list[str]:
        return ["0", "1"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> _Partition:
        return _Partition([f"{for_part}{number}" for number in range(20)])


SLOW_SECONDS = 0.5


class _Night:
    """What two workers did: the first to have a batch is slow once; the other one's turns meanwhile."""

    def __init__(self) -> None:
        self._slow: int | None = None
        self.is_slow = False
        self.turns_of_the_other = 0

    def work(self) -> None:
        if self._slow is None:
            self._slow = get_ident()
            self.is_slow = True
            time.sleep(SLOW_SECONDS)
            self.is_slow = False

    def turn(self) -> None:
        self.turns_of_the_other += self.is_slow and get_ident() != self._slow


class _Logic(StatefulBatchLogic[str, Any, None]):
    def __init__(self, night: _Night) -> None:
        self._night = night

    def on_batch(self, values: list[str]) -> tuple[list[Any], bool]:
        self._night.work()
        return [], StatefulBatchLogic.RETAIN

    def on_notify(self) -> tuple[list[Any], bool]:
        self._night.turn()
        return [], StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime:
        return ALWAYS_DUE

    def snapshot(self) -> None:
        return None


def test_bytewax_tells_a_worker_of_its_turns_while_it_waits_for_another() -> None:
    night = _Night()
    flow = Dataflow("turns")
    items = op.input("items", flow, _Source())
    kept = op.stateful_batch("kept", items, lambda _: _Logic(night))
    op.output("out", kept, TestingSink([]))
    no_time = timedelta(0)  # every turn ends an epoch, and the next one waits for both workers
    cluster_main(flow, [], 0, epoch_interval=no_time, worker_count_per_proc=2)  # type: ignore[no-untyped-call]
    assert night.turns_of_the_other > SLOW_SECONDS / LONGEST_PAUSE_SECONDS
