"""Both ways of fetching, held against the same cases on a real broker."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Producer

from operators.batches import READ_AHEAD_BYTES
from operators.kafka_connection import KafkaConnection
from operators.kafka_errors import ClientSettingError
from operators.kafka_fetch import BEGINNING, UNKNOWN_OFFSET, FetchClient, PartitionFetcher
from operators.kafka_fetch_native import NativeClient
from operators.kafka_fetch_plain import PlainClient
from operators.kafka_message_kernels import AT_ONCE
from operators.kafka_source import open_client
from tests.operators.kafka_rig import START_MS, Heard, at_end, hear, make_topic, send
from warroom.services import EmbeddedBroker

Client = Callable[[str], FetchClient]


@pytest.fixture(params=[PlainClient, NativeClient], ids=["plain", "native"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """Opens a client of topic ``orders`` on a broker."""
    opened: list[FetchClient] = []

    def open_one(brokers: str) -> FetchClient:
        opened.append(request.param(KafkaConnection(brokers), "orders", 2))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture
def fetcher(broker: str, client: Client) -> Iterator[PartitionFetcher]:
    """A fetcher of partition 0 of an empty topic, not started yet."""
    make_topic(broker, partitions=2)
    one = client(broker).partition(0)
    yield one
    one.close()


def test_values_arrive_in_order_with_their_offsets_and_timestamps(
    broker: str, fetcher: PartitionFetcher
) -> None:
    send(broker, [b"%d" % i for i in range(3000)])
    fetcher.start(BEGINNING)
    heard = hear(fetcher, at_end)
    assert heard.values == [b"%d" % i for i in range(3000)]
    assert heard.offsets == list(range(3000))
    assert heard.timestamps_ms == [START_MS + i for i in range(3000)]


def test_values_are_joined_with_one_newline_behind_each(broker: str, fetcher: PartitionFetcher) -> None:
    send(broker, [b"a", b"", None, b"two\nlines", b"\x00\xff"])
    fetcher.start(BEGINNING)
    joined = b""
    starts: list[int] = []
    lengths: list[int] = []
    while len(lengths) < 5:
        batch = fetcher.fetch(100).batch
        if batch is not None:
            starts += [len(joined) + int(s) for s in batch.starts]
            lengths += batch.lengths.tolist()
            joined += batch.data.tobytes()
    assert joined == b"a\n\n\ntwo\nlines\n\x00\xff\n"
    assert starts == [0, 2, 3, 4, 14]
    assert lengths == [1, 0, -1, 9, 2]


def test_data_can_be_written_and_read_beyond_its_end_by_compiled_code(
    broker: str, fetcher: PartitionFetcher
) -> None:
    send(broker, [b"abc"])
    fetcher.start(BEGINNING)
    while (batch := fetcher.fetch(100).batch) is None:
        pass
    assert batch.data.flags.writeable
    assert batch.data.flags.c_contiguous
    assert batch.data.base is not None
    assert batch.data.base.nbytes >= batch.data.nbytes + READ_AHEAD_BYTES


@pytest.mark.parametrize("kind", [PlainClient, NativeClient])
def test_a_queue_that_was_full_is_filled_again_as_soon_as_it_has_been_emptied(
    broker: str, kind: Callable[[KafkaConnection, str, int], FetchClient]
) -> None:
    make_topic(broker)
    values: list[bytes | None] = [b"%03d" % i * 10_000 for i in range(800)]
    send(broker, values)
    client = kind(KafkaConnection(broker, {"queued.max.messages.kbytes": "64"}), "orders", 1)
    fetcher = client.partition(0)
    try:
        fetcher.start(BEGINNING)
        started = time.monotonic()
        heard = hear(fetcher, at_end, patience=60.0)
    finally:
        fetcher.close()
        client.close()
    assert heard.values == values
    # Each of a dozen fetches fills the queue, and librdkafka's default is to wait for a second then.
    assert time.monotonic() - started < 8.0


def test_no_more_messages_come_than_were_asked_for(broker: str, fetcher: PartitionFetcher) -> None:
    send(broker, [b"%d" % i for i in range(50)])
    fetcher.start(BEGINNING)
    sizes: list[int] = []
    while sum(sizes) < 50:
        batch = fetcher.fetch(7).batch
        if batch is not None:
            sizes.append(len(batch))
    assert max(sizes) == 7


def test_thousands_of_messages_at_once_arrive_in_order(broker: str, fetcher: PartitionFetcher) -> None:
    values: list[bytes | None] = [b"%d " % i * (i % 30) for i in range(9 * AT_ONCE // 2)]
    send(broker, values)
    fetcher.start(BEGINNING)
    heard, sizes = Heard(), []
    while len(heard.values) < len(values):
        batch = fetcher.fetch(3 * AT_ONCE + 1).batch
        if batch is not None:
            sizes.append(len(batch))
            heard.add(batch)
    assert heard.values == values
    assert heard.offsets == list(range(len(values)))
    assert heard.timestamps_ms == [START_MS + i for i in range(len(values))]
    assert AT_ONCE < max(sizes) <= 3 * AT_ONCE + 1


def test_values_of_a_megabyte_arrive_whole(broker: str, fetcher: PartitionFetcher) -> None:
    values = [bytes([i]) * 1_000_000 for i in range(20)]
    send(broker, list(values))
    fetcher.start(BEGINNING)
    assert hear(fetcher, at_end).values == values


def test_reading_starts_at_the_offset_that_is_given(broker: str, fetcher: PartitionFetcher) -> None:
    send(broker, [b"%d" % i for i in range(10)])
    fetcher.start(7)
    assert hear(fetcher, at_end).values == [b"7", b"8", b"9"]


def test_end_is_told_with_the_next_offset(broker: str, fetcher: PartitionFetcher) -> None:
    send(broker, [b"x"] * 5)
    fetcher.start(BEGINNING)
    assert hear(fetcher, at_end).ends == [5]


def test_end_of_an_empty_partition_is_told(fetcher: PartitionFetcher) -> None:
    fetcher.start(BEGINNING)
    assert hear(fetcher, at_end).ends == [0]


def test_end_is_told_again_behind_later_messages(broker: str, fetcher: PartitionFetcher) -> None:
    fetcher.start(BEGINNING)
    hear(fetcher, at_end)
    send(broker, [b"later"])
    heard = hear(fetcher, at_end)
    assert (heard.values, heard.ends) == ([b"later"], [1])


def test_end_is_told_afresh_after_a_new_start(broker: str, fetcher: PartitionFetcher) -> None:
    send(broker, [b"x"] * 5)
    fetcher.start(BEGINNING)
    hear(fetcher, at_end)
    fetcher.start(5)
    heard = hear(fetcher, at_end)
    assert (heard.values, heard.ends) == ([], [5])


def test_new_start_reads_again_from_there(broker: str, fetcher: PartitionFetcher) -> None:
    send(broker, [b"%d" % i for i in range(5)])
    fetcher.start(BEGINNING)
    hear(fetcher, at_end)
    fetcher.start(3)
    assert hear(fetcher, at_end).values == [b"3", b"4"]


def test_partitions_of_one_client_do_not_mix(broker: str, client: Client) -> None:
    make_topic(broker, partitions=2)
    send(broker, [b"left"] * 100, partition=0)
    send(broker, [b"right"] * 100, partition=1)
    shared = client(broker)
    left, right = shared.partition(0), shared.partition(1)
    left.start(BEGINNING)
    right.start(BEGINNING)
    assert hear(left, at_end).values == [b"left"] * 100
    assert hear(right, at_end).values == [b"right"] * 100
    left.close()
    right.close()


def test_markers_of_transactions_leave_gaps_in_the_offsets(broker: str, fetcher: PartitionFetcher) -> None:
    producer = Producer({"bootstrap.servers": broker, "transactional.id": "till", "log_level": 0})
    producer.init_transactions(10)
    for value in (b"first", b"second"):
        producer.begin_transaction()
        producer.produce("orders", value, partition=0)
        producer.commit_transaction()
    fetcher.start(BEGINNING)
    heard = hear(fetcher, at_end)
    assert heard.values == [b"first", b"second"]
    assert heard.offsets == [0, 2]
    assert heard.ends == [4]


def test_high_watermark_is_the_end_as_the_fetch_told_it(broker: str, fetcher: PartitionFetcher) -> None:
    send(broker, [b"x"] * 30)
    assert fetcher.high_watermark() == UNKNOWN_OFFSET
    fetcher.start(BEGINNING)
    hear(fetcher, lambda heard: bool(heard.values), most=1)
    assert fetcher.high_watermark() == 30


def test_first_available_offset_can_be_asked(broker: str, fetcher: PartitionFetcher) -> None:
    send(broker, [b"x"] * 30)
    fetcher.start(BEGINNING)
    assert fetcher.available()[0] == 0


def test_broker_going_and_coming_back_is_logged_once_each_and_loses_nothing(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with EmbeddedBroker() as server:
        make_topic(server.address)
        send(server.address, [b"before"])
        fetcher = client(server.address).partition(0)
        fetcher.start(BEGINNING)
        hear(fetcher, at_end)
        server.kill()
        down = f"Kafka at {server.address} does not answer; trying again every 2 s (reading orders)"
        hear(fetcher, lambda heard: down in caplog.text)
        with EmbeddedBroker(server.port):  # it has forgotten everything
            make_topic(server.address)
            send(server.address, [b"before", b"after"])
            heard = hear(fetcher, lambda heard: bool(heard.values), patience=40)
            hear(fetcher, lambda heard: "answers again after" in caplog.text)
        fetcher.close()
    assert heard.values == [b"after"]
    assert caplog.text.count("does not answer") == caplog.text.count("answers again") == 1


def test_a_client_opened_while_kafka_is_away_reads_once_it_is_there(client: Client) -> None:
    with EmbeddedBroker() as first:
        port = first.port
    fetcher = client(f"127.0.0.1:{port}").partition(0)
    fetcher.start(BEGINNING)
    with EmbeddedBroker(port) as broker:
        make_topic(broker.address, partitions=2)
        send(broker.address, [b"a"])
        assert hear(fetcher, at_end).values == [b"a"]
        fetcher.close()


def test_native_client_refuses_a_setting_that_librdkafka_does_not_know(broker: str) -> None:
    with pytest.raises(ClientSettingError, match=r'\[kafka.client\].*"colour"'):
        NativeClient(KafkaConnection(broker, {"colour": "blue"}), "orders", 1)


def test_plain_client_serves_where_the_library_is_out_of_reach(
    broker: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("operators.kafka_librdkafka.cimpl.__file__", "/nowhere/cimpl.so")
    chosen = open_client(KafkaConnection(broker), "orders", 1)
    assert isinstance(chosen, PlainClient)
    assert caplog.text.count("reading through the slower Kafka client") == 1


def test_keys_come_with_the_messages_where_they_are_asked_for(broker: str) -> None:
    make_topic(broker)
    producer = Producer({"bootstrap.servers": broker})
    producer.produce("orders", b"value", key=b"key")
    producer.produce("orders", b"without")
    producer.flush()
    fetcher = open_client(KafkaConnection(broker), "orders", 1, with_keys=True).partition(0)
    fetcher.start(BEGINNING)
    keys: list[bytes | None] = []
    while len(keys) < 2:
        batch = fetcher.fetch(100).batch
        if batch is not None:
            assert batch.keys is not None
            keys += batch.keys
    fetcher.close()
    assert keys == [b"key", None]


@pytest.mark.parametrize("kind", [PlainClient, NativeClient], ids=["plain", "native"])
def test_lines_of_the_library_go_to_the_log(
    kind: type[PlainClient | NativeClient], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "operators.librdkafka")
    chosen = kind(KafkaConnection("127.0.0.1:1"), "orders", 1)
    fetcher = chosen.partition(0)
    fetcher.start(BEGINNING)
    hear(fetcher, lambda _: "127.0.0.1:1" in caplog.text)
    fetcher.close()
    chosen.close()
    assert {record.name for record in caplog.records if "127.0.0.1:1" in record.getMessage()} == {
        "operators.librdkafka"
    }
