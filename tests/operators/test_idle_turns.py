"""A thread that only waits for the others leaves them the processor."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.operators import StatefulBatchLogic
from bytewax.testing import TestingSink, run_main

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


class _Waits(StatefulSourcePartition[tuple[str, int], int]):
    """One item, then nothing for a number of turns, then the end."""

    def __init__(self, turns: int) -> None:
        self._left = turns

    def next_batch(self) -> list[tuple[str, int]]:
        if not self._left:
            raise StopIteration
        self._left -= 1
        return [("key", 1)] if self._left == 50 else []

    def next_awake(self) -> datetime:
        return ALWAYS_DUE

    def snapshot(self) -> int:
        return self._left


class _Source(FixedPartitionedSource[tuple[str, int], int]):
    def list_parts(self) -> list[str]:
        return ["0"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> _Waits:
        return _Waits(51)


class _Notified(StatefulBatchLogic[int, Any, None]):
    def __init__(self, told: list[int]) -> None:
        self._told = told

    def on_batch(self, values: list[int]) -> tuple[list[Any], bool]:
        return [], StatefulBatchLogic.RETAIN

    def on_notify(self) -> tuple[list[Any], bool]:
        self._told.append(1)
        return [], StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime:
        return ALWAYS_DUE

    def snapshot(self) -> None:
        return None


def test_bytewax_tells_of_every_turn_though_nothing_comes() -> None:
    told: list[int] = []
    flow = Dataflow("turns")
    items = op.input("items", flow, _Source())
    kept = op.stateful_batch("kept", items, lambda _: _Notified(told))
    op.output("out", kept, TestingSink([]))
    run_main(flow)  # type: ignore[no-untyped-call]
    assert len(told) >= 50
