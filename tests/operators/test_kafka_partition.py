"""When a partition reads and waits, what it says of its standing, and where it goes on."""

from __future__ import annotations

import pytest

from operators.batches import Progress, Standing
from operators.kafka_errors import OffsetsLostError
from operators.kafka_fetch import BEGINNING, Fetched
from operators.kafka_pace import TICK_SECONDS
from operators.kafka_partition import PULSE_SECONDS, PartitionState, ReadOptions
from tests.operators.kafka_rig import standings_of, values_of
from tests.operators.partition_rig import Rig, raw

AHEAD = ReadOptions(align_ahead_ms=1000)


def test_messages_go_through_the_lane_as_one_item() -> None:
    rig = Rig()
    rig.fetcher.brings(Fetched(raw(0, b"1", b"2", b"3")))
    (output,) = rig.after(0)
    assert values_of([output]) == [b"1", b"2", b"3"]


def test_silent_partition_tells_its_standing_ten_times_a_second_or_when_its_rest_is_over() -> None:
    rig = Rig()
    outputs = [output for _ in range(200) for output in rig.after(0.01)]
    assert 2 / (PULSE_SECONDS + TICK_SECONDS) <= len(standings_of(outputs)) <= 2 / PULSE_SECONDS


def test_partition_with_backlog_is_live_however_long_nothing_comes() -> None:
    rig = Rig(ReadOptions(idle_seconds=30))
    rig.fetcher.brings(Fetched(raw(0, b"1")))
    rig.after(0)
    assert standings_of(rig.after(3600)) == [Standing.LIVE]


def test_partition_at_its_end_is_idle_once_silent_for_long_enough() -> None:
    rig = Rig(ReadOptions(idle_seconds=30))
    rig.fetcher.brings(Fetched(raw(0, b"1"), ended_at=1))
    rig.after(0)
    assert standings_of(rig.after(29.9)) == [Standing.LIVE]
    assert standings_of(rig.after(0.2)) == [Standing.LIVE]  # and asks whether that is still the end
    assert rig.fetcher.starts == [BEGINNING, 1]
    rig.fetcher.brings(Fetched(ended_at=1))
    assert standings_of(rig.after(0.2)) == [Standing.IDLE]
    assert standings_of(rig.after(60)) == [Standing.IDLE]
    assert rig.fetcher.starts == [BEGINNING, 1]


def test_a_process_that_was_stopped_finds_its_backlog_before_it_calls_a_partition_idle() -> None:
    rig = Rig(ReadOptions(idle_seconds=30))
    rig.fetcher.brings(Fetched(raw(0, b"1"), ended_at=1))
    rig.after(0)
    assert standings_of(rig.after(3600)) == [Standing.LIVE]
    rig.fetcher.brings(Fetched(raw(1, b"2")))
    assert values_of(rig.after(0.2)) == [b"2"]
    assert standings_of(rig.after(3600)) == [Standing.LIVE]


def test_a_partition_whose_broker_is_away_is_not_idle() -> None:
    rig = Rig(ReadOptions(idle_seconds=30))
    rig.fetcher.brings(Fetched(raw(0, b"1"), ended_at=1))
    rig.after(0)
    assert {s for _ in range(20) for s in standings_of(rig.after(10))} == {Standing.LIVE}
    assert rig.fetcher.starts == [BEGINNING, 1]


def test_idle_partition_is_live_again_when_it_speaks() -> None:
    rig = Rig(ReadOptions(idle_seconds=1))
    rig.fetcher.brings(Fetched(ended_at=0))
    rig.after(0)
    rig.after(5)
    rig.fetcher.brings(Fetched(raw(0, b"1")))
    rig.after(0.1)
    assert standings_of(rig.after(5)) == [Standing.LIVE]


def test_bounded_partition_says_that_it_ended_and_stops_on_the_next_call() -> None:
    rig = Rig(ReadOptions(bounded=True))
    rig.fetcher.brings(Fetched(raw(0, b"1"), ended_at=1))
    assert values_of(rig.after(0)) == [b"1"]
    assert standings_of(rig.after(0.03)) == [Standing.ENDED]
    with pytest.raises(StopIteration):
        rig.after(0)


def test_stop_comes_at_once() -> None:
    rig = Rig()
    rig.clock.stopping = True
    with pytest.raises(StopIteration):
        rig.after(0)
    assert rig.lane.standings == []


def test_finishing_partition_asks_for_its_end_anew_before_it_says_that_it_ended() -> None:
    rig = Rig()
    rig.fetcher.brings(Fetched(raw(0, b"1"), ended_at=1))
    rig.after(0)
    rig.clock.finishing = True
    assert standings_of(rig.after(1)) == [Standing.LIVE]
    assert rig.fetcher.starts == [BEGINNING, 1]
    rig.fetcher.brings(Fetched(ended_at=1))
    assert standings_of(rig.after(1)) == [Standing.ENDED]


def test_partition_too_far_ahead_of_the_slowest_waits_and_goes_on_when_that_has_caught_up() -> None:
    rig = Rig(AHEAD)
    rig.note_other(5000)
    rig.fetcher.brings(Fetched(raw(0, b"6001")), Fetched(raw(1, b"6002")))
    rig.after(0)
    assert standings_of(rig.after(1)) == [Standing.LIVE]
    assert len(rig.fetcher.asked) == 1
    rig.note_other(5001)
    assert values_of(rig.after(1)) == [b"6002"]


def test_partition_ahead_by_just_the_limit_does_not_wait() -> None:
    rig = Rig(AHEAD)
    rig.note_other(5000)
    rig.fetcher.brings(Fetched(raw(0, b"6000")), Fetched(raw(1, b"6001")))
    rig.after(0)
    assert values_of(rig.after(1)) == [b"6001"]


def test_slowest_partition_never_waits() -> None:
    rig = Rig(AHEAD)
    rig.note_other(1_000_000)
    rig.clock.note(Progress("orders", 0, 1, 5000, Standing.LIVE))
    rig.fetcher.brings(Fetched(raw(0, b"5000")), Fetched(raw(1, b"5500")))
    rig.after(0)
    assert values_of(rig.after(1)) == [b"5500"]


@pytest.mark.parametrize("standing", [Standing.IDLE, Standing.ENDED])
def test_partition_does_not_wait_for_one_that_has_nothing_more(standing: Standing) -> None:
    rig = Rig(AHEAD)
    rig.note_other(5000, standing)
    rig.fetcher.brings(Fetched(raw(0, b"9000")), Fetched(raw(1, b"9001")))
    rig.after(0)
    assert values_of(rig.after(1)) == [b"9001"]


def test_held_partition_reads_nothing_and_stays_live() -> None:
    rig = Rig(ReadOptions(bounded=True))
    rig.held = True
    assert standings_of(rig.after(1)) == [Standing.LIVE]
    assert rig.fetcher.asked == []
    rig.held = False
    rig.fetcher.brings(Fetched(raw(0, b"1")))
    assert values_of(rig.after(1)) == [b"1"]


def test_spent_credit_comes_back_with_the_snapshot() -> None:
    rig = Rig(ReadOptions(epoch_credit_bytes=4))
    rig.fetcher.brings(Fetched(raw(0, b"1", b"2")), Fetched(raw(2, b"3")))
    rig.after(0)
    assert values_of(rig.after(1)) == []
    rig.partition.snapshot()
    assert values_of(rig.after(1)) == [b"3"]


def test_no_more_is_asked_for_than_the_credit_left_can_hold() -> None:
    rig = Rig(ReadOptions(epoch_credit_bytes=1000))
    rig.fetcher.brings(Fetched(raw(0, b"1" * 99, b"1" * 99)))
    rig.after(0)
    rig.after(1)
    assert rig.fetcher.asked[1] == 8


def test_snapshot_holds_the_next_offset_and_the_state_of_the_lane() -> None:
    rig = Rig()
    rig.fetcher.brings(Fetched(raw(40, b"1", b"2")))
    rig.after(0)
    assert rig.partition.snapshot() == PartitionState(42, 2)


def test_snapshot_before_the_first_message_starts_again_at_the_beginning() -> None:
    assert Rig().partition.snapshot() == PartitionState(BEGINNING, 0)


def test_end_behind_control_records_moves_the_offset_on() -> None:
    rig = Rig()
    rig.fetcher.brings(Fetched(raw(0, b"1"), ended_at=4))
    rig.after(0)
    assert rig.partition.snapshot().offset == 4


def test_lost_position_ends_the_run_and_says_what_there_is_and_what_to_do() -> None:
    rig = Rig(offset=30)
    rig.fetcher.first, rig.fetcher.end = 50, 60
    rig.fetcher.brings(Fetched(lost=True))
    with pytest.raises(OffsetsLostError) as caught:
        rig.after(0)
    assert str(caught.value) == (
        "Kafka no longer has offset 30 of topic orders, partition 0: it holds offsets 50 to 59. "
        "Messages in between cannot be counted. To go on from the earliest message that is left, "
        'set on_lost_offsets = "earliest"; to count everything anew, start with an empty state directory.'
    )


def test_lost_position_is_left_behind_where_the_options_say_so(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(ReadOptions(on_lost_offsets="earliest"), offset=30)
    rig.fetcher.brings(Fetched(lost=True), Fetched(raw(50, b"1")))
    rig.after(0)
    assert rig.fetcher.starts == [30, BEGINNING]
    assert values_of(rig.after(1)) == [b"1"]
    assert "no longer has offset 30" in caplog.text


def test_position_beyond_the_end_is_lost_if_it_stays_there() -> None:
    rig = Rig(offset=30)
    rig.fetcher.end = 20
    rig.after(0)
    rig.after(2.9)
    with pytest.raises(OffsetsLostError, match="holds offsets 0 to 19"):
        rig.after(0.2)


def test_end_that_lags_behind_the_position_for_a_moment_is_no_loss() -> None:
    rig = Rig(offset=30)
    rig.fetcher.end = 29
    rig.after(0)
    rig.fetcher.end = 30
    rig.after(2)
    rig.fetcher.end = 29
    assert standings_of(rig.after(2)) == [Standing.LIVE]


def test_closing_closes_the_fetcher_and_the_lane() -> None:
    rig = Rig()
    rig.partition.close()
    assert rig.fetcher.closed
    assert rig.lane.closed
