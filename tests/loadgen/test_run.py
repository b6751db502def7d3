"""``loadgen run`` on a real broker: what arrives, when, and what it says about it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import msgspec
import pytest

from loadgen.scenario import Scenario
from loadgen.stream import blocks
from schemas.baselines import Baseline, problem
from tests.loadgen.console import Loadgen
from tests.loadgen.consumed import read_topic
from tests.loadgen.days import CLICKS, ORDERS, answers_of, plan_of, small_day
from warroom.services import Topic, create_topics

SMALL = ("--orders", "5000", "--hours", "1")


def run(loadgen: Loadgen, broker: str, tmp_path: Path, *more: str) -> dict[str, object]:
    summary = tmp_path / "summary.json"
    files = ("--summary", str(summary), "--oracle", str(tmp_path / "oracle.json"))
    done = loadgen("run", "double12-2019", "--brokers", broker, "--create-topics", *SMALL, *files, *more)
    assert done.code == 0, done.err
    told: dict[str, object] = json.loads(summary.read_text())
    return told


@pytest.mark.parametrize(("topic", "lane"), [("orders", ORDERS), ("clicks", CLICKS)])
def test_what_arrives_is_byte_for_byte_what_was_made(
    topic: str, lane: int, broker: str, tmp_path: Path, loadgen: Loadgen
) -> None:
    run(loadgen, broker, tmp_path, "--max")
    arrived = [(m.partition(), m.value(), m.key(), m.timestamp()[1]) for m in read_topic(broker, topic, 4)]
    made = []
    for block in blocks(plan_of(small_day(5_000, hours=1))):
        for m in (m for m in block.messages if m.lane == lane):
            for i in range(len(m)):
                key = m.data[int(m.key_starts[i]) :][: int(m.key_lengths[i])].tobytes() or None
                made.append((m.partition, m.value(i), key, int(m.timestamps_ms[i])))
    assert arrived == made


def test_an_empty_clicks_topic_means_none_are_sent(broker: str, tmp_path: Path, loadgen: Loadgen) -> None:
    told = run(loadgen, broker, tmp_path, "--max", "--topic-clicks", "")
    assert {name.split("/")[0] for name in str_keys(told["messages"])} == {"orders"}
    assert json.loads((tmp_path / "oracle.json").read_text())["clicks"] is False


def test_clicks_may_have_other_partitions_than_orders(broker: str, tmp_path: Path, loadgen: Loadgen) -> None:
    create_topics(broker, (Topic("orders", 4), Topic("clicks", 6)))
    run(loadgen, broker, tmp_path, "--max")
    people: list[set[str]] = [set() for _ in range(6)]
    for m in read_topic(broker, "clicks", 6):
        people[m.partition()] |= set(
            re.findall(r'"visitor_id":"(u[0-9]+)","action":"view"', m.value().decode())
        )
    assert min(map(len, people)) > 100
    assert sum(map(len, people)) == len(set.union(*people))


def str_keys(value: object) -> list[str]:
    assert isinstance(value, dict)
    return [str(key) for key in value]


def test_the_key_is_the_order_id(broker: str, tmp_path: Path, loadgen: Loadgen) -> None:
    run(loadgen, broker, tmp_path, "--max")
    keys = [(m.key().decode(), m.value().decode()) for m in read_topic(broker, "orders", 4) if m.key()]
    assert len(keys) > 5_000
    assert all(f'"order_id":"{key}"' in value for key, value in keys if value.startswith("{"))


def test_every_merchant_has_a_usable_baseline_on_its_topic(
    broker: str, tmp_path: Path, loadgen: Loadgen
) -> None:
    run(loadgen, broker, tmp_path, "--max")
    messages = read_topic(broker, "baselines", 1)
    baselines = [msgspec.json.decode(m.value(), type=Baseline) for m in messages]
    assert len(baselines) == 1_004
    assert [problem(b) for b in baselines] == [None] * 1_004
    assert [m.key().decode() for m in messages] == [b.merchant_id for b in baselines]
    assert {"外婆家", "真功夫", "美儷家族", "樂大嘴"} <= {b.name for b in baselines}


def test_the_summary_counts_what_arrived_and_where_it_ends(
    broker: str, tmp_path: Path, loadgen: Loadgen
) -> None:
    told = run(loadgen, broker, tmp_path, "--max")
    by_topic = {topic: read_topic(broker, topic, 4) for topic in ("orders", "clicks")}
    arrived = [m for messages in by_topic.values() for m in messages]
    assert told["end_offsets"] == {
        f"{topic}/{p}": max(m.offset() for m in messages if m.partition() == p) + 1
        for topic, messages in by_topic.items()
        for p in range(4)
    }
    assert told["messages_sent"] == len(arrived)
    assert told["events_sent"] == sum(m.value().count(b"\n") + 1 for m in arrived)
    assert (told["messages_failed"], told["messages_unanswered"], told["complete"]) == (0, 0, True)


def test_the_oracle_file_is_what_the_oracle_says(broker: str, tmp_path: Path, loadgen: Loadgen) -> None:
    run(loadgen, broker, tmp_path, "--max")
    written = json.loads((tmp_path / "oracle.json").read_text())
    said = msgspec.to_builtins(answers_of(plan_of(small_day(5_000, hours=1))))
    assert written == json.loads(json.dumps(said))


@pytest.mark.parametrize("pace", [("--speed", "3600"), ("--rate", "16000")])
def test_a_paced_run_lasts_as_long_as_asked_and_sends_the_same(
    pace: tuple[str, str], broker: str, tmp_path: Path, loadgen: Loadgen
) -> None:
    told = run(loadgen, broker, tmp_path, *pace)
    assert 0.8 <= float(str(told["seconds"])) <= 3
    messages = [m for topic in ("orders", "clicks") for m in read_topic(broker, topic, 4)]
    assert told["events_sent"] == sum(m.value().count(b"\n") + 1 for m in messages)


def test_from_now_on_the_day_begins_now_and_nothing_else_changes(
    broker: str, tmp_path: Path, loadgen: Loadgen
) -> None:
    before = int(time.time()) * 1000
    told = run(loadgen, broker, tmp_path, "--max", "--times", "now")
    start = int(str(told["start_ms"]))
    assert before <= start <= time.time() * 1000
    assert told["sale_open_ms"] == start
    shifted = msgspec.structs.replace(small_day(5_000, hours=1), begins_ms=start)
    assert [m.value() for m in read_topic(broker, "orders", 4)] == order_values(shifted)
    ordinary = order_values(small_day(5_000, hours=1))
    assert [without_time(v) for v in order_values(shifted)] == [without_time(v) for v in ordinary]


def order_values(day: Scenario) -> list[bytes]:
    orders = (m for block in blocks(plan_of(day)) for m in block.messages if m.lane == ORDERS)
    return [m.value(i) for m in orders for i in range(len(m))]


def without_time(value: bytes) -> bytes:
    return re.sub(rb'"event_time":[0-9]+', b"", value)


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_messages_arrive_as_they_were_made(
    compression: str, broker: str, tmp_path: Path, loadgen: Loadgen
) -> None:
    run(loadgen, broker, tmp_path, "--max", "--compression", compression, "--topic-clicks", "")
    made = order_values(msgspec.structs.replace(small_day(5_000, hours=1), clicks=None))
    assert [m.value() for m in read_topic(broker, "orders", 4)] == made


class TestBadInput:
    def test_a_metrics_port_that_is_taken_is_told(self, loadgen: Loadgen, broker: str) -> None:
        port = broker.rpartition(":")[2]
        done = loadgen("run", "double12-2019", "--brokers", broker, "--metrics-port", port)
        assert (done.code, done.err) == (
            2,
            f"loadgen: --metrics-port {port}: Address already in use; choose another port\n",
        )

    def test_an_unknown_scenario_is_told_with_those_there_are(self, loadgen: Loadgen) -> None:
        done = loadgen("run", "dubble12")
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("loadgen: no scenario named 'dubble12'; there are ")
        assert "double12-2019" in done.err
        assert done.err.count("\n") == 1

    def test_contradicting_rates_are_told(self, loadgen: Loadgen) -> None:
        done = loadgen("run", "double12-2019", "--rate", "5", "--max")
        assert done.code == 2
        assert (
            done.err
            == "loadgen: --rate and --max contradict each other; give one of --speed, --rate, --max\n"
        )

    def test_a_topic_that_does_not_exist_is_told(self, loadgen: Loadgen, broker: str) -> None:
        done = loadgen("run", "double12-2019", "--brokers", broker, "--topic-orders", "ordrs")
        assert done.code == 2
        assert (
            done.err
            == f"loadgen: topic 'ordrs' does not exist at {broker}; create it, or add --create-topics\n"
        )

    def test_other_partitions_than_the_topic_has_are_told(
        self, loadgen: Loadgen, broker: str, tmp_path: Path
    ) -> None:
        run(loadgen, broker, tmp_path, "--max")
        done = loadgen("run", "double12-2019", "--brokers", broker, "--partitions", "7")
        assert done.code == 2
        assert done.err == "loadgen: topic 'orders' has 4 partitions, --partitions says 7; give 4\n"

    def test_fewer_orders_than_the_featured_merchants_have_is_told(
        self, loadgen: Loadgen, broker: str
    ) -> None:
        done = loadgen("run", "double12-2019", "--brokers", broker, "--create-topics", "--orders", "10")
        assert done.code == 2
        assert "orders is 10, but the featured merchants alone have" in done.err

    def test_an_oracle_in_a_folder_that_does_not_exist_is_told_before_anything_is_sent(
        self, loadgen: Loadgen, broker: str
    ) -> None:
        done = loadgen("run", "double12-2019", "--brokers", broker, "--oracle", "/nowhere/oracle.json")
        assert done.code == 2
        assert "the folder /nowhere does not exist" in done.err

    def test_an_unknown_kafka_setting_is_told(self, loadgen: Loadgen, broker: str) -> None:
        arguments = ("--brokers", broker, "--create-topics", *SMALL, "--max", "--kafka", "lingerms=3")
        done = loadgen("run", "double12-2019", *arguments)
        assert done.code == 2
        assert "lingerms" in done.err
        assert done.err.count("\n") == 1

    def test_a_broker_that_does_not_answer_is_told_with_its_address(
        self, loadgen: Loadgen, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("loadgen.topics.TIMEOUT_S", 0.5)
        done = loadgen("run", "double12-2019", "--brokers", "127.0.0.1:1")
        assert done.code == 1
        assert done.err.startswith("loadgen: no Kafka broker answers at 127.0.0.1:1: ")
