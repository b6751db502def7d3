"""What a worker tells its supervisor over a pipe."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from operators.batches import Progress, Standing
from operators.metrics_server import Heartbeat
from warroom.beating_clock import BeatingClock
from warroom.worker_report import Listener, Reporter


class Beats(Reporter):
    """Counts what it is asked to tell."""

    def __init__(self) -> None:
        self.beats = self.consumed = 0

    def beat(self) -> None:
        self.beats += 1

    def consuming(self) -> None:
        self.consumed += 1


def progress(next_offset: int, partition: int = 0) -> Progress:
    return Progress("orders", partition, next_offset, 1_000, Standing.LIVE)


@pytest.fixture
def pipe() -> Iterator[tuple[Listener, Reporter]]:
    read_end, write_end = os.pipe()
    listener = Listener(read_end)
    yield listener, Reporter(write_end)
    os.close(write_end)
    listener.close()


def test_beats_are_at_most_one_in_half_a_second(pipe: tuple[Listener, Reporter]) -> None:
    listener, reporter = pipe
    for _ in range(1_000):
        reporter.beat()
    listener.listen()
    assert listener.beats == 1


def test_reason_of_a_failure_arrives_as_one_line(pipe: tuple[Listener, Reporter]) -> None:
    listener, reporter = pipe
    reporter.failed("first line\nsecond line")
    listener.listen()
    assert listener.failure == "first line second line"
    assert listener.refusal is None


def test_refusal_is_told_apart_from_a_failure(pipe: tuple[Listener, Reporter]) -> None:
    listener, reporter = pipe
    reporter.refused("a newer run writes now")
    listener.listen()
    assert listener.refusal == "a newer run writes now"
    assert listener.failure is None


def test_line_that_arrives_in_two_pieces_is_put_together() -> None:
    read_end, write_end = os.pipe()
    listener = Listener(read_end)
    os.write(write_end, "failed: 外".encode()[:-1])
    listener.listen()
    assert listener.failure is None
    os.write(write_end, "failed: 外".encode()[-1:] + b"\n")
    listener.listen()
    assert listener.failure == "外"
    os.close(write_end)
    listener.close()


@pytest.mark.parametrize(
    "say", [Reporter.beat, lambda r: r.failed("nobody hears"), lambda r: r.refused("nobody hears")]
)
def test_nobody_listening_is_no_reason_to_stop(say: Callable[[Reporter], None]) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as pipe:
        with pytest.raises(BrokenPipeError):
            os.write(pipe.fileno(), b"heard by nobody")
        say(Reporter(pipe.fileno()))


def test_clock_beats_when_a_source_asks_whether_to_stop_and_when_a_shard_takes_progress() -> None:
    reporter = Beats()
    clock = BeatingClock(reporter, Heartbeat(30))
    assert clock.stopping is False
    assert reporter.beats == 1
    clock.note(progress(10))
    assert reporter.beats == 2
    assert clock.newest_ms == 1_000


def test_clock_tells_once_that_events_are_counted_which_are_new_to_the_run() -> None:
    reporter = Beats()
    clock = BeatingClock(reporter, Heartbeat(30))
    clock.note(progress(10))
    clock.note(progress(70, partition=1))
    clock.note(progress(10))
    assert reporter.consumed == 0  # this is where the run goes on
    for offset in (11, 12):
        clock.note(progress(offset))
    assert reporter.consumed == 1


def test_a_worker_that_consumes_is_told_apart_from_a_beat(pipe: tuple[Listener, Reporter]) -> None:
    listener, reporter = pipe
    reporter.consuming()
    listener.listen()
    assert (listener.consuming, listener.beats) == (True, 0)


def test_clock_keeps_what_it_was_told() -> None:
    clock = BeatingClock(Beats(), Heartbeat(30))
    clock.stopping = True
    clock.finishing = True
    assert (clock.stopping, clock.finishing) == (True, True)
