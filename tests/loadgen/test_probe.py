"""``loadgen probe``: from when an order is due until Redis shows it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from confluent_kafka import Consumer, TopicPartition
from prometheus_client import CollectorRegistry
from rich.console import Console

from loadgen.latency import Histogram
from loadgen.probe import Outcome, Tracker
from loadgen.probe_view import ProbeMetrics, view
from tests.loadgen.console import Loadgen
from warroom.children import end, free_port
from warroom.services import create_topics
from warroom.waiting import wait_until

KEY = "warroom:merchant:loadgen-probe"


@contextmanager
def engine(broker: str, redis_url: str, deaf_after: int | None = None) -> Iterator[None]:
    """A pipeline of one line: shows the newest event time of what it reads, the first few if told so."""
    stop = threading.Event()

    def work() -> None:
        consumer = Consumer({"bootstrap.servers": broker, "group.id": "t", "enable.auto.commit": False})
        consumer.assign([TopicPartition("orders", p, 0) for p in range(4)])
        shown = redis.Redis.from_url(redis_url)
        taken = 0
        while not stop.is_set():
            message = consumer.poll(0.02)
            if message is None or message.error() or taken == deaf_after:
                continue
            taken += 1
            shown.hset(KEY, "event_time", json.loads(message.value() or b"")["event_time"])
        consumer.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_an_order_is_seen_when_redis_shows_its_event_time() -> None:
    tracker = Tracker(patience_us=1_000_000)
    for n in range(3):
        tracker.send(event_ms=1000 + n, due_us=n * 10)
    assert tracker.look(None, 100) == []
    assert tracker.look(1001, 200) == [200, 190]
    assert (tracker.sent, tracker.seen, tracker.under_way, tracker.lost) == (3, 2, 1, 0)


def test_an_order_that_is_not_seen_in_time_is_lost() -> None:
    tracker = Tracker(patience_us=1_000_000)
    tracker.send(1000, 0)
    tracker.look(999, 1_000_001)
    assert (tracker.seen, tracker.lost, tracker.under_way) == (0, 1, 0)


def test_what_is_under_way_at_ctrl_c_counts_as_not_sent() -> None:
    tracker = Tracker(patience_us=1_000_000)
    tracker.send(1000, 0)
    tracker.give_up()
    assert (tracker.sent, tracker.lost) == (0, 0)


def test_the_command_tells_quantiles_and_a_histogram_as_json(
    broker: str, redis_url: str, loadgen: Loadgen
) -> None:
    create_topics(broker)
    with engine(broker, redis_url):
        done = loadgen("probe", "--brokers", broker, "--redis", redis_url, "--rate", "100", "--seconds", "1",
                       "--json")  # fmt: skip
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["sent"], told["seen"], told["lost"]) == (100, 100, 0)
    assert list(told["latency_ms"]) == ["p50", "p90", "p99", "p99.9", "max"]
    assert sum(count for _, count in told["histogram"]) == 100
    assert 0 < told["latency_ms"]["p50"] <= told["latency_ms"]["max"]


def test_lost_orders_are_told_with_exit_code_1(broker: str, redis_url: str, loadgen: Loadgen) -> None:
    create_topics(broker)
    with engine(broker, redis_url, deaf_after=3):
        done = loadgen("probe", "--brokers", broker, "--redis", redis_url, "--rate", "20", "--seconds", "0.5",
                       "--patience", "0.8")  # fmt: skip
    assert done.code == 1
    assert "10 orders at 20/s, 3 seen in Redis, 7 lost" in done.out
    assert max(len(line) for line in done.out.splitlines()) <= 80


def test_the_view_fits_80_columns_and_draws_every_range_in_between() -> None:
    waits = Histogram()
    for ms, count in ((4, 30), (90, 400_000), (1500, 12_345), (90_000, 1)):
        waits.counts[:] += count * _one(ms).counts
    outcome = Outcome(412_376, 412_376, 0, 60.0, 20.0, waits.quantiles_ms(), waits.buckets_ms())
    console = Console(width=80, record=True)
    console.print(view(outcome))
    lines = [line.rstrip() for line in console.export_text().splitlines()]
    assert max(len(line) for line in lines) <= 80
    labels = [line.strip().split(" ms")[0] for line in lines[3:]]
    assert labels == ["≤ 5", "≤ 10", "≤ 20", "≤ 50", "≤ 100", "≤ 200", "≤ 500", "≤ 1,000", "≤ 2,000",
                      "≤ 5,000", "≤ 10,000", "≤ 20,000", "≤ 60,000", "> 60,000"]  # fmt: skip
    assert "█" * 44 in lines[7]


def _one(ms: int) -> Histogram:
    histogram = Histogram()
    histogram.record(ms * 1000)
    return histogram


def test_metrics_count_orders_and_waits() -> None:
    registry = CollectorRegistry()
    metrics = ProbeMetrics(registry)
    tracker = Tracker(patience_us=1_000_000)
    tracker.send(1, 0)
    tracker.send(2, 0)
    metrics.watch(tracker, tracker.look(1, 30_000))
    metrics.watch(tracker, tracker.look(1, 2_000_000))
    value = registry.get_sample_value
    assert value("loadgen_probe_sent_total") == 2
    assert value("loadgen_probe_lost_total") == 1
    assert value("loadgen_probe_latency_seconds_count") == 1
    assert value("loadgen_probe_latency_seconds_bucket", {"le": "0.05"}) == 1
    assert value("loadgen_probe_latency_seconds_bucket", {"le": "0.02"}) == 0


def test_a_real_war_room_shows_every_probe_order(
    broker: str, redis_url: str, tmp_path: Path, loadgen: Loadgen
) -> None:
    create_topics(broker)
    port = free_port()
    command = [sys.executable, "-m", "warroom", "run", "--brokers", broker, "--redis", redis_url,
               "--state", str(tmp_path / "state"), "--metrics-port", str(port)]  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        war_room = subprocess.Popen(command, stdout=log, stderr=log)
    shown = redis.Redis.from_url(redis_url)
    try:
        assert wait_until(lambda: shown.exists("warroom:meta") == 1, 60), (tmp_path / "log").read_text()
        done = loadgen("probe", "--brokers", broker, "--redis", redis_url, "--rate", "50", "--seconds", "2",
                       "--json")  # fmt: skip
        assert done.code == 0, done.err + (tmp_path / "log").read_text()
        assert json.loads(done.out)["seen"] == 100
        assert shown.hget(KEY, "gmv:day") == b"0"
    finally:
        end(war_room)


class TestBadInput:
    def test_a_topic_that_does_not_exist_is_told(self, broker: str, loadgen: Loadgen) -> None:
        done = loadgen("probe", "--brokers", broker, "--topic-orders", "ordrs")
        assert done.code == 2
        assert done.err.startswith("loadgen: topic 'ordrs' does not exist at ")

    def test_an_installation_that_lives_in_another_time_is_left_alone(
        self, broker: str, redis_url: str, loadgen: Loadgen
    ) -> None:
        create_topics(broker)
        redis.Redis.from_url(redis_url).hset("warroom:meta", "event_time", 1_576_080_000_000)
        done = loadgen("probe", "--brokers", broker, "--redis", redis_url)
        assert done.code == 2
        assert done.err.startswith(
            "loadgen: the newest event of this installation is of 2019-12-11 16:00:00 UTC;"
        )
        assert done.err.count("\n") == 1

    @pytest.mark.parametrize("rate", ["0", "501"])
    def test_a_rate_that_cannot_be_is_told(self, rate: str, broker: str, loadgen: Loadgen) -> None:
        done = loadgen("probe", "--brokers", broker, "--rate", rate)
        assert (done.code, done.err) == (
            2, f"loadgen: --rate {rate}: a probe sends between 0 and 500 orders a second\n"
        )  # fmt: skip

    def test_a_redis_that_does_not_answer_is_told_with_its_address(
        self, broker: str, loadgen: Loadgen
    ) -> None:
        create_topics(broker)
        done = loadgen("probe", "--brokers", broker, "--redis", "redis://127.0.0.1:1/0")
        assert done.code == 1
        assert done.err.startswith("loadgen: no Redis answers at redis://127.0.0.1:1/0: ")
