"""How often partitions are asked, and for how much."""

from __future__ import annotations

from operators.kafka_pace import (
    BATCH_BYTES,
    FIRST_BATCH_MESSAGES,
    LONGEST_SLEEP_SECONDS,
    TICK_SECONDS,
    Pacer,
    batch_limit,
)

PLENTY = 1 << 40


class Part:
    """Stands for a partition."""


def test_first_batch_is_small_as_the_size_of_messages_is_unknown() -> None:
    assert batch_limit(50_000, 0, PLENTY) == FIRST_BATCH_MESSAGES


def test_batch_of_small_messages_is_as_large_as_the_options_allow() -> None:
    assert batch_limit(50_000, 166, PLENTY) == 50_000


def test_batch_of_large_messages_keeps_to_its_bytes() -> None:
    assert batch_limit(50_000, 1_000_000, PLENTY) == BATCH_BYTES // 1_000_000


def test_batch_keeps_to_the_credit() -> None:
    assert batch_limit(50_000, 100, 1_000) == 10


def test_a_message_larger_than_the_credit_is_still_read() -> None:
    assert batch_limit(50_000, 100, 1) == 1


def test_thread_sleeps_only_while_every_partition_rests() -> None:
    slept: list[float] = []
    pacer = Pacer(sleep=slept.append)
    busy, quiet = Part(), Part()
    assert not pacer.resting(busy, 0.0)
    pacer.rest(quiet, 0.0)
    assert pacer.resting(quiet, 0.001)
    assert slept == []
    pacer.rest(busy, 0.001)
    assert pacer.resting(quiet, 0.001)
    assert slept == [LONGEST_SLEEP_SECONDS]


def test_partition_that_was_closed_keeps_nobody_awake() -> None:
    slept: list[float] = []
    pacer = Pacer(sleep=slept.append)
    gone, quiet = Part(), Part()
    pacer.resting(gone, 0.0)
    pacer.rest(quiet, 0.0)
    pacer.leave(gone)
    pacer.resting(quiet, 0.001)
    assert slept == [LONGEST_SLEEP_SECONDS]


def test_sleep_ends_with_the_shortest_rest() -> None:
    slept: list[float] = []
    pacer = Pacer(sleep=slept.append)
    quiet = Part()
    pacer.rest(quiet, 0.0)
    pacer.resting(quiet, TICK_SECONDS - 0.0005)
    assert [round(s, 6) for s in slept] == [0.0005]


def test_partitions_that_had_little_are_asked_again_at_the_same_tick() -> None:
    pacer = Pacer(sleep=lambda seconds: None)
    parts = [Part(), Part(), Part()]
    for part, read_at in zip(
        parts, (10.1 * TICK_SECONDS, 10.2 * TICK_SECONDS, 10.4 * TICK_SECONDS), strict=True
    ):
        pacer.rest(part, read_at)
    assert all(pacer.resting(part, 10.9 * TICK_SECONDS) for part in parts)
    assert not any(pacer.resting(part, 11.01 * TICK_SECONDS) for part in parts)


def test_partition_that_was_read_right_before_a_tick_rests_until_the_next_one() -> None:
    pacer = Pacer(sleep=lambda seconds: None)
    part = Part()
    pacer.rest(part, 10.9 * TICK_SECONDS)
    assert pacer.resting(part, 11.5 * TICK_SECONDS)
    assert not pacer.resting(part, 12.01 * TICK_SECONDS)
