"""A topic to a file and back: everything of a message stays, at its pace, from one time to another."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from confluent_kafka import Producer

from loadgen.record import Recorded, Span
from loadgen.record import record as record_topics
from loadgen.recording_file import SCHEMA, open_recording, read_recording
from tests.loadgen.console import Loadgen
from tests.loadgen.consumed import read_topic
from warroom.services import Topic, create_topics

NOON_MS = 1_576_123_200_000  # 2019-12-12 12:00 in Shanghai
SUFFIXES = ("parquet", "ndjson", "jsonl.gz")


def order(number: int, at_ms: int, **more: object) -> bytes:
    fields = {"order_id": f"o{number}", "merchant_id": f"m{number % 3}", "member_id": f"u{number % 7}",
              "amount": 100 + number, "status": "paid", "event_time": at_ms, **more}  # fmt: skip
    return json.dumps(fields).encode()


def fill(broker: str, topic: str = "orders", count: int = 60) -> None:
    """One order a second from noon on over four partitions: with headers, binary, keyless, a tombstone."""
    create_topics(broker, (Topic(topic, 4),))
    producer = Producer({"bootstrap.servers": broker})
    for number in range(count):
        at_ms = NOON_MS + 1000 * number
        headers: list[tuple[str, str | bytes | None]] | None = None
        if number % 10 == 0:
            headers = [("trace", b"\xff\x00"), ("empty", None)]
        key = None if number % 7 == 0 else f"o{number}".encode()
        producer.produce(topic, order(number, at_ms), key, number % 4, timestamp=at_ms, headers=headers)
    producer.produce(topic, b"\xfe not text", b"\xfd", 1, timestamp=NOON_MS + 1000 * count)
    producer.produce(topic, None, b"gone", 1, timestamp=NOON_MS + 1000 * count)
    assert producer.flush(10) == 0


def send(broker: str, topic: str, messages: list[tuple[bytes | None, bytes]]) -> None:
    producer = Producer({"bootstrap.servers": broker})
    for key, value in messages:
        producer.produce(topic, value, key, partition=0, timestamp=NOON_MS)
    assert producer.flush(10) == 0


def arrived(broker: str, topic: str) -> list[tuple[Any, ...]]:
    return [
        (m.partition(), m.key(), m.value(), m.timestamp()[1], m.headers())
        for m in read_topic(broker, topic, 4)
        if m.value() is not None
    ]


def record(loadgen: Loadgen, broker: str, path: Path, *more: str) -> str:
    done = loadgen("record", "--from-topic", "orders", "--brokers", broker, "--out", str(path), *more)
    assert done.code == 0, done.err
    return done.out


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_topic_comes_back_byte_for_byte_from_a_file(
    suffix: str, broker: str, tmp_path: Path, loadgen: Loadgen
) -> None:
    fill(broker)
    path = tmp_path / f"night.{suffix}"
    assert record(loadgen, broker, path).endswith("62 messages (7,260 bytes) of 62 read\n")
    done = loadgen("replay", str(path), "--brokers", broker, "--topic-orders", "again", "--partitions", "4",
                   "--create-topics", "--max")  # fmt: skip
    assert done.code == 0, done.err
    assert "1 messages without a value (tombstones); not used" in done.err
    assert arrived(broker, "again") == arrived(broker, "orders")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_stretch_of_time_is_recorded_from_its_start_to_before_its_end(
    suffix: str, broker: str, tmp_path: Path, loadgen: Loadgen
) -> None:
    fill(broker)
    path = tmp_path / f"some.{suffix}"
    span = ("--from", "2019-12-12T12:00:10+08:00", "--to", "2019-12-12T04:00:20+00:00")
    record(loadgen, broker, path, *span)
    messages, _ = read_recording(path)
    assert sorted(messages["timestamp_ms"].to_list()) == [NOON_MS + 1000 * s for s in range(10, 20)]
    assert messages.schema == pl.Schema(SCHEMA)


def test_a_recording_is_sent_at_its_own_pace(broker: str, tmp_path: Path, loadgen: Loadgen) -> None:
    fill(broker)
    path, summary = tmp_path / "night.parquet", tmp_path / "summary.json"
    record(loadgen, broker, path)
    done = loadgen("replay", str(path), "--brokers", broker, "--topic-orders", "again", "--create-topics",
                   "--speed", "40", "--summary", str(summary))  # fmt: skip
    assert done.code == 0, done.err
    assert 1.4 <= json.loads(summary.read_text())["seconds"] <= 4


def test_from_now_on_all_times_move_together(broker: str, tmp_path: Path, loadgen: Loadgen) -> None:
    fill(broker)
    path, summary = tmp_path / "night.parquet", tmp_path / "summary.json"
    record(loadgen, broker, path)
    done = loadgen("replay", str(path), "--brokers", broker, "--topic-orders", "again", "--partitions", "4",
                   "--create-topics", "--max", "--times", "now", "--summary", str(summary))  # fmt: skip
    assert done.code == 0, done.err
    shift = json.loads(summary.read_text())["start_ms"] - NOON_MS
    was, now = arrived(broker, "orders"), arrived(broker, "again")
    assert [m[3] for m in now] == [m[3] + shift for m in was]
    for before, after in zip(was, now, strict=True):
        if before[2].startswith(b"{"):
            old, new = json.loads(before[2]), json.loads(after[2])
            assert new == {**old, "event_time": old["event_time"] + shift}


def test_the_oracle_of_a_recording_counts_what_counts(broker: str, tmp_path: Path, loadgen: Loadgen) -> None:
    create_topics(broker, (Topic("orders", 2),))
    values = [
        order(1, NOON_MS), order(1, NOON_MS),  # a copy
        order(2, NOON_MS) + b"\n" + order(3, NOON_MS, status="refunded"),
        order(4, NOON_MS + 301_000), order(5, NOON_MS, amount=-1), b"{",
        order(6, NOON_MS, order_id="x" * 129),
    ]  # fmt: skip
    send(broker, "orders", [(None, value) for value in values])
    path, oracle = tmp_path / "night.parquet", tmp_path / "oracle.json"
    record(loadgen, broker, path)
    done = loadgen("replay", str(path), "--brokers", broker, "--max", "--oracle", str(oracle))
    assert done.code == 0, done.err
    told = json.loads(oracle.read_text())
    assert told["duplicates"] == {"orders": 1, "clicks": 0}
    assert told["events"] == {"good": 3, "duplicate": 1, "late": 0, "future": 1, "malformed": 1, "invalid": 2}
    assert (told["totals"]["orders:day"], told["totals"]["gmv:day"], told["totals"]["refunds:day"]) == (
        2,
        203,
        103,
    )


def click(number: int, action: str, **more: object) -> bytes:
    fields = {"event_id": f"e{number}", "merchant_id": "m1", "visitor_id": f"v{number % 4}", "action": action,
              "event_time": NOON_MS + number, **more}  # fmt: skip
    return json.dumps(fields).encode()


def test_orders_and_clicks_in_one_recording_go_back_to_their_topics_and_are_both_told_to_the_oracle(
    broker: str, tmp_path: Path, loadgen: Loadgen
) -> None:
    create_topics(broker, (Topic("orders", 1), Topic("clicks", 1), Topic("clicks2", 2)))
    send(broker, "orders", [(None, order(1, NOON_MS, channel="koubei", first_order=False, city_tier=2))])
    actions = [("view", {"source": "map"}), ("view", {"source": "livestream"}), ("view", {}), ("join", {}),
               ("view", {"source": "search"}), ("cart", {}), ("favorite", {}), ("join", {"visitor_id": "v3"}),
               ("stare", {})]  # fmt: skip
    send(broker, "clicks", [(None, click(n, action, **more)) for n, (action, more) in enumerate(actions)])
    send(broker, "clicks", [(None, click(0, "view", source="map"))])
    path, oracle = tmp_path / "night.parquet", tmp_path / "oracle.json"
    done = loadgen(
        "record", "--from-topic", "orders", "--from-topic", "clicks", "--brokers", broker, "-o", str(path)
    )
    assert done.code == 0, done.err
    more = ("--oracle", str(oracle), "--topic-clicks", "clicks2")
    done = loadgen("replay", str(path), "--brokers", broker, "--max", *more)
    assert done.code == 0, done.err
    assert len(read_topic(broker, "clicks2", 2)) == 10
    assert len(read_topic(broker, "orders", 1)) == 2
    told = json.loads(oracle.read_text())
    assert told["duplicates"] == {"orders": 0, "clicks": 1}
    assert told["dead_letters"]["invalid"] == 1
    measures = told["merchants"]["m1"]["measures"]
    names = ("views", "carts", "favorites", "private_views", "platform_views", "new_members", "orders")
    assert [measures[f"{name}:day"] for name in names] == [4, 1, 1, 1, 1, 1, 1]
    people = told["merchants"]["m1"]["people"]
    assert (people["visitors:day"], people["buyers:day"], people["returning_buyers:day"]) == (4, 1, 1)
    assert {"channel:koubei", "channel:unknown", "city_tier:2"} <= told["rollups"].keys()


def test_recorded_baselines_are_sent_and_told_to_the_oracle(
    broker: str, tmp_path: Path, loadgen: Loadgen
) -> None:
    fill(broker)
    create_topics(broker, (Topic("baselines", 1),))
    baseline = {"merchant_id": "m0", "name": "小館", "days": 30, "daily": {"gmv": 1000, "orders": 10},
                "hourly_share": [1 / 24] * 24}  # fmt: skip
    send(
        broker,
        "baselines",
        [(b"m0", json.dumps(one).encode()) for one in ({**baseline, "name": "舊"}, baseline)],
    )
    path, oracle, known = tmp_path / "n.parquet", tmp_path / "o.json", tmp_path / "b.ndjson"
    record(loadgen, broker, path)
    done = loadgen("record", "--from-topic", "baselines", "--brokers", broker, "-o", str(known))
    assert done.code == 0, done.err
    done = loadgen("replay", str(path), "--brokers", broker, "--max", "--oracle", str(oracle), "--baselines",
                   str(known))  # fmt: skip
    assert done.code == 0, done.err
    told = json.loads(oracle.read_text())["merchants"]
    assert told["m0"]["name"] == "小館"
    assert told["m0"]["multiples"]["orders_multiple:day"] == 2.0
    assert "orders_multiple:day" not in told["m1"]["multiples"]
    assert len(read_topic(broker, "baselines", 1)) == 3


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_ctrl_c_leaves_a_whole_file_of_what_was_recorded_until_then(
    suffix: str, broker: str, tmp_path: Path
) -> None:
    def interrupt(_: Recorded) -> None:
        raise KeyboardInterrupt

    fill(broker)
    path = tmp_path / f"night.{suffix}"
    done = record_topics({"bootstrap.servers": broker}, ["orders"], path, Span(), interrupt)
    messages, complaints = read_recording(path)
    assert (done.complete, complaints) == (False, [])
    assert len(messages) == done.messages > 0


class TestBadInput:
    def test_a_topic_that_does_not_exist_is_told(self, broker: str, tmp_path: Path, loadgen: Loadgen) -> None:
        path = tmp_path / "night.parquet"
        done = loadgen("record", "--from-topic", "ordrs", "--brokers", broker, "-o", str(path))
        assert (done.code, done.err) == (2, f"loadgen: topic 'ordrs' does not exist at {broker}\n")
        assert not path.exists()

    def test_a_name_that_is_no_recordings_is_told(self, broker: str, loadgen: Loadgen) -> None:
        create_topics(broker, (Topic("orders", 1),))
        done = loadgen("record", "--from-topic", "orders", "--brokers", broker, "-o", "night.csv")
        assert done.code == 2
        assert done.err.startswith("loadgen: night.csv: a recording's name ends in .parquet, .ndjson,")

    def test_a_stretch_that_ends_before_it_begins_is_told(self, broker: str, loadgen: Loadgen) -> None:
        span = ("--from", "2019-12-12T12:00:00+08:00", "--to", "2019-12-12T11:00:00+08:00")
        done = loadgen("record", "--from-topic", "orders", "--brokers", broker, "-o", "n.parquet", *span)
        assert (done.code, done.err) == (2, "loadgen: --to is not after --from; nothing lies in between\n")

    def test_a_file_of_another_format_without_its_mapping_is_told(
        self, tmp_path: Path, loadgen: Loadgen
    ) -> None:
        done = loadgen("replay", str(tmp_path / "rows.csv"))
        assert done.code == 2
        assert done.err.endswith("rows.csv: add --format, the mapping that says what its columns are\n")

    def test_a_parquet_file_that_is_no_recording_is_told(self, tmp_path: Path, loadgen: Loadgen) -> None:
        path = tmp_path / "other.parquet"
        pl.DataFrame({"a": [1]}).write_parquet(path)
        done = loadgen("replay", str(path))
        assert done.code == 2
        assert done.err == (
            f"loadgen: {path}: not a recording: it has no column 'topic'; other files need --format\n"
        )

    @pytest.mark.parametrize("suffix", ["ndjson", "jsonl.gz"])
    def test_of_a_recording_that_ends_in_the_middle_of_a_row_the_rows_before_are_used(
        self, suffix: str, broker: str, tmp_path: Path, loadgen: Loadgen
    ) -> None:
        fill(broker)
        path = tmp_path / f"night.{suffix}"
        record(loadgen, broker, path)
        path.write_bytes(path.read_bytes()[: -len(path.read_bytes()) // 3])
        messages, complaints = read_recording(path)
        assert 5 < len(messages) < 60
        assert complaints == [
            f"night.{suffix}:{len(messages) + 1}: the file ends in the middle of this row; not used"
        ]

    def test_of_a_parquet_file_that_is_cut_off_nothing_is_used(
        self, tmp_path: Path, loadgen: Loadgen
    ) -> None:
        path = tmp_path / "night.parquet"
        frame = pl.DataFrame(schema=SCHEMA)
        writer = open_recording(path)
        writer.write(frame)
        writer.close()
        path.write_bytes(path.read_bytes()[:-9])
        done = loadgen("replay", str(path))
        assert done.code == 2
        assert done.err.startswith(f"loadgen: {path}: no whole Parquet file: ")
        assert done.err.endswith("; nothing is used\n")
        assert done.err.count("\n") == 1

    @pytest.mark.parametrize(
        ("suffix", "kept"),
        [
            ("ndjson", "the whole lines before that are kept"),
            ("parquet", "nothing is kept: a Parquet file is usable only when it is whole"),
        ],
    )
    def test_a_disk_that_fills_is_told_with_what_is_kept(
        self, suffix: str, kept: str, broker: str, tmp_path: Path
    ) -> None:
        fill(broker, count=2_000)
        path = tmp_path / f"night.{suffix}"
        command = [sys.executable, "-m", "loadgen.cli", "record", "--from-topic", "orders", "-o", str(path)]
        command += ["--brokers", broker]
        limit = 20_000  # bytes that a file may have: the nearest thing to a full disk without being root
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith(f"loadgen: {path}: cannot be written: ")
        assert done.stderr.endswith(f"; {kept}\n")
        assert done.stderr.count("\n") == 1
        if suffix == "ndjson":
            messages, _ = read_recording(path)
            assert 50 < len(messages) < 2_000
        else:
            assert list(tmp_path.iterdir()) == []
