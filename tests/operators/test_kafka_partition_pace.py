"""How a partition paces its reading: its rests, its lag, and what counts as a backlog."""

from __future__ import annotations

import pytest

from operators.kafka_fetch import UNKNOWN_OFFSET, Fetched
from operators.kafka_pace import TICK_SECONDS
from operators.kafka_partition import ReadOptions
from operators.process_clock import BACKLOG_PUBLISH_SECONDS, BACKLOG_SECONDS, ProcessClock
from tests.operators.kafka_rig import values_of
from tests.operators.partition_rig import Rig, raw


def test_lag_is_told_with_the_next_offset() -> None:
    rig = Rig()
    rig.fetcher.end = 10
    rig.fetcher.brings(Fetched(raw(0, b"1", b"2")))
    rig.after(0)
    assert rig.stats == [("orders", 0, 8, 2)]


def test_lag_is_none_at_the_end_whatever_the_high_watermark_says() -> None:
    rig = Rig()
    rig.fetcher.end = 10
    rig.fetcher.brings(Fetched(raw(0, b"1", b"2"), ended_at=8))
    rig.after(0)
    assert rig.stats == [("orders", 0, 0, 8)]


def test_lag_is_told_twice_a_second_also_while_the_partition_waits() -> None:
    rig = Rig()
    rig.fetcher.end = 10
    rig.fetcher.brings(Fetched(raw(0, b"1", b"2")))
    rig.after(0)
    rig.held = True
    for _ in range(110):
        rig.after(0.01)
    assert rig.stats == [("orders", 0, 8, 2)] * 3


def test_partition_that_had_little_rests_before_it_asks_again() -> None:
    rig = Rig()
    rig.fetcher.brings(Fetched(raw(0, b"1")))
    rig.after(0)
    rig.after(TICK_SECONDS / 2)
    assert len(rig.fetcher.asked) == 1
    rig.after(TICK_SECONDS / 2 + 0.001)
    assert len(rig.fetcher.asked) == 2


def test_partition_with_full_batches_does_not_rest() -> None:
    rig = Rig(ReadOptions(batch_messages=2))
    rig.fetcher.brings(Fetched(raw(0, b"1", b"2")), Fetched(raw(2, b"3", b"4")))
    assert values_of(rig.after(0) + rig.after(0)) == [b"1", b"2", b"3", b"4"]


def test_during_a_backlog_results_are_asked_for_less_often_and_soon_after_it_as_usual() -> None:
    rig = Rig(ReadOptions(batch_messages=2))
    usual = rig.clock.publish_seconds(0.5)
    rig.fetcher.end = 9
    rig.fetcher.brings(Fetched(raw(0, b"1", b"2")))
    rig.after(0)
    assert (usual, rig.clock.publish_seconds(0.5)) == (0.5, BACKLOG_PUBLISH_SECONDS)
    rig.after(BACKLOG_SECONDS + 0.1)
    assert rig.clock.publish_seconds(0.5) == 0.5


def test_a_backlog_is_no_shorter_for_a_pause_in_which_nothing_is_read() -> None:
    rig = Rig(ReadOptions(batch_messages=2))
    rig.fetcher.end = 9
    rig.fetcher.brings(Fetched(raw(0, b"1", b"2")))
    rig.after(0)
    rig.seconds += 10 * BACKLOG_SECONDS  # as at the end of an epoch
    assert rig.clock.in_backlog()


@pytest.mark.parametrize(("end", "backlog"), [(UNKNOWN_OFFSET, False), (1, False), (3, False), (4, True)])
def test_a_backlog_is_more_than_a_batch_that_is_still_in_kafka_however_little_is_at_hand(
    end: int, backlog: bool
) -> None:
    rig = Rig(ReadOptions(batch_messages=2))
    rig.fetcher.end = end
    rig.fetcher.brings(Fetched(raw(0, b"1")))
    rig.after(0)
    assert rig.clock.in_backlog() is backlog


def test_a_backlog_is_also_what_fills_half_a_batch_at_once() -> None:
    rig = Rig(ReadOptions(batch_messages=2))
    rig.fetcher.end = 4
    rig.fetcher.brings(Fetched(raw(0, b"1", b"2")), Fetched(raw(2, b"3", b"4")))
    rig.after(0)
    first = rig.clock.in_backlog()
    rig.after(0)
    assert (first, rig.clock.in_backlog()) == (False, True)


def test_where_nothing_comes_there_is_nothing_to_read_though_much_was_told_to_be_there() -> None:
    rig = Rig(ReadOptions(batch_messages=2))
    rig.fetcher.end = 1_000
    rig.after(0)
    assert not rig.clock.in_backlog()


def test_a_longer_interval_that_is_wanted_is_kept_during_a_backlog() -> None:
    clock = ProcessClock()
    clock.note_backlog(100.0)
    assert clock.publish_seconds(10.0) == 10.0
