"""The Kafka source inside real Bytewax, with a real broker."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.errors import BytewaxRuntimeError
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, run_main

from operators.batches import LaneOutput, Standing
from operators.kafka_connection import KafkaConnection
from operators.kafka_errors import OffsetsLostError, StoppedWaitingError
from operators.kafka_partition import ReadOptions
from operators.kafka_source import KafkaSource
from operators.process_clock import ProcessClock
from tests.operators.kafka_rig import RecordingLane, make_topic, send, standings_of, values_of
from warroom.children import free_port
from warroom.services import EmbeddedBroker
from warroom.waiting import wait_until

BOUNDED = ReadOptions(bounded=True)
BOTH_FETCHERS = pytest.mark.parametrize("native", [False, True], ids=["plain", "native"])


def new_lane(topic: str, partition: int, state: int | None) -> RecordingLane:
    return RecordingLane(topic, partition, seen=state or 0)


def run(
    brokers: str,
    options: ReadOptions = BOUNDED,
    *,
    clock: ProcessClock | None = None,
    recovery: RecoveryConfig | None = None,
    on_output: Callable[[LaneOutput], None] = lambda output: None,
    lane_factory: Callable[[str, int, Any], RecordingLane] = new_lane,
) -> list[LaneOutput]:
    """Run a flow from topic ``orders`` to a list until it ends by itself."""
    source = KafkaSource(KafkaConnection(brokers), "orders", lane_factory, clock or ProcessClock(), options)

    def passed_on(output: LaneOutput) -> LaneOutput:
        on_output(output)
        return output

    outputs: list[LaneOutput] = []
    flow = Dataflow("kafka")
    items = op.map("look", op.input("orders", flow, source), passed_on)
    op.output("out", items, TestingSink(outputs))
    run_main(flow, epoch_interval=timedelta(seconds=0.05), recovery_config=recovery)  # type: ignore[no-untyped-call]
    return outputs


def root_cause(error: BaseException) -> BaseException:
    """What Bytewax wrapped."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


@pytest.fixture
def store(tmp_path: Path) -> RecoveryConfig:
    init_db_dir(tmp_path, 1)  # type: ignore[no-untyped-call]
    return RecoveryConfig(str(tmp_path))  # type: ignore[no-untyped-call]


@BOTH_FETCHERS
def test_bounded_run_reads_every_partition_to_its_end_and_stops(broker: str, native: bool) -> None:
    make_topic(broker, partitions=3)
    for partition in range(3):
        send(broker, [b"%d-%d" % (partition, i) for i in range(500)], partition=partition)
    outputs = run(broker, ReadOptions(bounded=True, native=native))
    assert sorted(values_of(outputs)) == sorted(b"%d-%d" % (p, i) for p in range(3) for i in range(500))
    assert standings_of(outputs).count(Standing.ENDED) == 3


def test_first_word_of_every_partition_is_its_standing_or_its_data(broker: str) -> None:
    make_topic(broker, partitions=2)
    send(broker, [b"a"], partition=0)
    outputs = run(broker)
    first = {out.to_shards[0][0] for out in outputs[:2]}
    assert first == {"orders/0", "orders/1"}


@BOTH_FETCHERS
def test_resumed_run_takes_up_where_the_stopped_one_was(
    broker: str, store: RecoveryConfig, native: bool
) -> None:
    make_topic(broker)
    send(broker, [b"%d" % i for i in range(1000)])
    clock = ProcessClock()

    def stop_midway(output: LaneOutput) -> None:
        clock.stopping = clock.stopping or output.messages > 0

    options = ReadOptions(batch_messages=100, native=native)
    first = run(broker, options, clock=clock, recovery=store, on_output=stop_midway)
    second = run(broker, ReadOptions(bounded=True, native=native), recovery=store)
    assert 0 < len(values_of(first)) < 1000
    assert values_of(first) + values_of(second) == [b"%d" % i for i in range(1000)]


def test_lane_gets_its_own_snapshot_back(broker: str, store: RecoveryConfig) -> None:
    make_topic(broker)
    send(broker, [b"x"] * 30)
    run(broker, recovery=store)
    states: list[int | None] = []

    def remembering_lane(topic: str, partition: int, state: int | None) -> RecordingLane:
        states.append(state)
        return new_lane(topic, partition, state)

    run(broker, recovery=store, lane_factory=remembering_lane)
    assert states == [30]


def test_stop_ends_the_run_without_saying_that_partitions_ended(broker: str) -> None:
    make_topic(broker)
    clock = ProcessClock()

    def stop(output: LaneOutput) -> None:
        clock.stopping = True

    assert standings_of(run(broker, ReadOptions(), clock=clock, on_output=stop)) == [Standing.LIVE]


def test_finishing_run_still_reads_what_was_sent_before_it_was_told(broker: str) -> None:
    make_topic(broker)
    send(broker, [b"early"])
    clock = ProcessClock()

    def finish_once_idle(output: LaneOutput) -> None:
        if Standing.IDLE in standings_of([output]) and not clock.finishing:
            send(broker, [b"just before"])
            clock.finishing = True

    outputs = run(broker, ReadOptions(idle_seconds=0.0), clock=clock, on_output=finish_once_idle)
    assert values_of(outputs) == [b"early", b"just before"]
    assert standings_of(outputs)[-1] is Standing.ENDED


def test_epoch_credit_bounds_what_is_read_between_two_snapshots(broker: str) -> None:
    make_topic(broker)
    send(broker, [b"x" * 999] * 300)
    lanes: list[RecordingLane] = []
    read_in_epoch: list[int] = []

    class SnapshotCounting(RecordingLane):
        def snapshot(self) -> int:
            read_in_epoch.append(sum(self.batches))
            self.batches.clear()
            return super().snapshot()

    def counting_lane(topic: str, partition: int, state: int | None) -> RecordingLane:
        lanes.append(SnapshotCounting(topic, partition))
        return lanes[-1]

    outputs = run(
        broker,
        ReadOptions(bounded=True, batch_messages=10, epoch_credit_bytes=50_000),
        lane_factory=counting_lane,
    )
    assert len(values_of(outputs)) == 300
    assert max(read_in_epoch) == 50


def test_stored_offset_that_the_broker_no_longer_has_ends_the_run(broker: str, store: RecoveryConfig) -> None:
    make_topic(broker)
    send(broker, [b"x"] * 30)
    run(broker, recovery=store)
    with EmbeddedBroker() as other:
        make_topic(other.address)
        send(other.address, [b"y"] * 3)
        with pytest.raises(BytewaxRuntimeError) as caught:
            run(other.address, recovery=store)
    error = root_cause(caught.value)
    assert isinstance(error, OffsetsLostError)
    assert "offset 30 of topic orders, partition 0: it holds offsets 0 to 2." in str(error)


def test_lost_offsets_are_skipped_with_a_log_line_where_the_options_say_so(
    broker: str, store: RecoveryConfig, caplog: pytest.LogCaptureFixture
) -> None:
    make_topic(broker)
    send(broker, [b"x"] * 30)
    run(broker, recovery=store)
    with EmbeddedBroker() as other:
        make_topic(other.address)
        send(other.address, [b"y"] * 3)
        outputs = run(other.address, ReadOptions(bounded=True, on_lost_offsets="earliest"), recovery=store)
    assert values_of(outputs) == [b"y"] * 3
    assert "no longer has offset 30 of topic orders, partition 0" in caplog.text
    assert "Going on from the earliest one" in caplog.text


def once(condition: Callable[[], bool], action: Callable[[], None]) -> threading.Thread:
    """Do something, beside the test, as soon as a condition is true."""

    def wait_and_act() -> None:
        assert wait_until(condition, 20)
        action()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


def test_missing_topic_is_waited_for(broker: str, caplog: pytest.LogCaptureFixture) -> None:
    line = f"Kafka at {broker} has no topic orders; trying again in 0.5 s"
    creation = once(lambda: line in caplog.text, lambda: make_topic(broker, partitions=2))
    outputs = run(broker)
    creation.join()
    assert standings_of(outputs).count(Standing.ENDED) == 2


def test_broker_that_is_absent_at_the_start_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    line = f"Kafka at 127.0.0.1:{port} does not answer; trying again in 0.5 s"
    server = EmbeddedBroker(port, outlive=True)  # the thread that starts it ends before it does

    def start_late() -> None:
        server.start()
        make_topic(server.address)
        send(server.address, [b"x"])

    beginning = once(lambda: line in caplog.text, start_late)
    try:
        assert values_of(run(f"127.0.0.1:{port}")) == [b"x"]
    finally:
        beginning.join()
        server.stop()


def test_waiting_for_a_broker_can_be_stopped(caplog: pytest.LogCaptureFixture) -> None:
    clock = ProcessClock()
    source = KafkaSource(
        KafkaConnection(f"127.0.0.1:{free_port()}"), "orders", new_lane, clock, ReadOptions()
    )
    threading.Timer(0.2, setattr, (clock, "stopping", True)).start()
    with caplog.at_level(logging.ERROR), pytest.raises(StoppedWaitingError):
        source.list_parts()
