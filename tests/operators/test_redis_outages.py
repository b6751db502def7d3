"""Redis away, slow, full, read-only or locked: nothing is lost or reordered, and somebody is told."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from operators.redis_errors import RedisRefusedError
from operators.redis_publisher import RedisPublisher
from operators.redis_run import Run
from tests.operators.redis_rig import WALL_MS, Reader, board, publishing, rows, settings, write
from warroom.children import free_port
from warroom.services import EmbeddedRedis
from warroom.waiting import wait_until

SOON_S = 15.0


@contextmanager
def reading(url: str) -> Iterator[Reader]:
    reader = Reader(url)
    try:
        yield reader
    finally:
        reader.close()


def test_what_is_offered_before_redis_is_there_is_written_when_it_comes() -> None:
    server = EmbeddedRedis(free_port())
    with publishing(server.url) as publisher:
        publisher.offer(rows("m1", "m2", value=1))
        publisher.offer(rows("m2", value=2))
        assert publisher.stats().backlog_merchants >= 2
        assert not publisher.stats().up
        with server, reading(server.url) as reader:
            assert publisher.flush(SOON_S)
            assert (reader.value("m1"), reader.value("m2")) == ("1", "2")
            assert publisher.stats().backlog_merchants == 0


def test_a_redis_that_is_away_is_named_without_its_password(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    with publishing(f"redis://:s3cret@127.0.0.1:{port}/0") as publisher:
        publisher.offer(rows("m1"))
        assert f"Redis at 127.0.0.1:{port}/0 takes no writes" in caplog.text
    assert "s3cret" not in caplog.text


def test_an_outage_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    server = EmbeddedRedis(free_port())
    with publishing(server.url) as publisher:
        assert wait_until(lambda: publisher.stats().failures >= 4, SOON_S)
        with server:
            assert publisher.flush(SOON_S)
            assert wait_until(lambda: "takes writes again" in caplog.text, SOON_S)
    assert caplog.text.count("takes no writes") == 1


def test_a_redis_that_comes_back_empty_is_filled_again() -> None:
    port = free_port()
    with EmbeddedRedis(port) as first, publishing(first.url) as publisher:
        write(publisher, rows("m1", "m2", value=1), board())
        first.kill()
        publisher.offer(rows("m1", value=2, windows=["1m"]))
        with EmbeddedRedis(port) as second, reading(second.url) as reader:
            assert publisher.flush(SOON_S)
            assert publisher.needs_everything(0)
            assert reader.value("m1", "gmv:12h") == "2"
            assert reader.hash("meta")["run"] == "1"
            write(publisher, rows("m1", "m2", value=3))
            assert reader.value("m2") == "3"


def test_a_shard_that_was_held_is_free_when_redis_comes_back_empty() -> None:
    port = free_port()
    with EmbeddedRedis(port) as first:
        with publishing(first.url, run=1) as before:
            write(before, rows("m1", value=100, offset=100))
        with publishing(first.url, run=2) as publisher:
            write(publisher, rows("m2", shard=2), rows("m1", value=1, offset=1))
            first.kill()
            with EmbeddedRedis(port) as second, reading(second.url) as reader:
                assert wait_until(lambda: publisher.stats().losses == 1, SOON_S)
                write(publisher, rows("m1", value=2, offset=2))
                assert reader.value("m1") == "2"


def test_offers_do_not_wait_for_a_redis_that_does_not_answer() -> None:
    with EmbeddedRedis() as server, publishing(server.url, timeout_s=0.3) as publisher:
        write(publisher, rows("m1"))
        os.kill(server.pid, signal.SIGSTOP)
        try:
            publisher.offer(rows("m1", value=2))
            assert wait_until(lambda: publisher.stats().failures > 0, SOON_S)
            begin_s = time.monotonic()
            publisher.offer(rows("m1", value=3))
            assert time.monotonic() - begin_s < 0.2
        finally:
            os.kill(server.pid, signal.SIGCONT)
        with reading(server.url) as reader:
            assert publisher.flush(SOON_S)
            assert reader.value("m1") == "3"


def test_a_slow_redis_is_waited_for() -> None:
    with (
        EmbeddedRedis(settings={"enable-debug-command": "local"}) as server,
        publishing(server.url) as publisher,
        reading(server.url) as reader,
        ThreadPoolExecutor() as aside,
    ):
        write(publisher, rows("m1"))
        sleep = aside.submit(reader.client.execute_command, "DEBUG", "SLEEP", "1")
        for value in range(2, 20):
            publisher.offer(rows("m1", value=value))
        assert publisher.flush(SOON_S)
        assert sleep.result() == "OK"
        assert publisher.stats().failures == 0
        assert reader.value("m1") == "19"


def test_a_full_redis_is_tried_again_until_there_is_room(caplog: pytest.LogCaptureFixture) -> None:
    with EmbeddedRedis() as server, publishing(server.url) as publisher, reading(server.url) as reader:
        write(publisher, rows("m1", value=1))
        reader.client.config_set("maxmemory", "1mb")
        publisher.offer(rows("m1", value=2))
        assert wait_until(lambda: "OOM" in caplog.text, SOON_S)
        assert reader.value("m1") == "1"
        reader.client.config_set("maxmemory", "0")
        assert publisher.flush(SOON_S)
        assert reader.value("m1") == "2"


def test_a_redis_that_was_made_read_only_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    with EmbeddedRedis() as server, publishing(server.url) as publisher, reading(server.url) as reader:
        write(publisher, rows("m1", value=1))
        reader.client.replicaof("127.0.0.1", "1")
        publisher.offer(rows("m1", value=2))
        assert wait_until(lambda: "takes no writes: READONLY" in caplog.text, SOON_S)
        reader.client.replicaof("NO", "ONE")
        assert publisher.flush(SOON_S)
        assert reader.value("m1") == "2"


@pytest.mark.parametrize("login", ["", ":wrong@", "nobody:wrong@"])
def test_a_redis_that_wants_another_password_is_refused_in_one_line(login: str) -> None:
    with EmbeddedRedis(password="right") as server:
        url = f"redis://{login}{server.address}/0"
        with pytest.raises(RedisRefusedError) as refused:
            RedisPublisher(settings(url), Run(1, "r", WALL_MS)).start()
    assert str(refused.value) == (
        f"Redis at {server.address}/0 wants another password or user; see the Redis URL"
    )


def test_a_redis_that_turns_out_to_want_a_password_stops_the_run() -> None:
    server = EmbeddedRedis(free_port(), password="right")
    with publishing(f"redis://{server.address}/0") as publisher:
        publisher.offer(rows("m1"))
        with server, pytest.raises(RedisRefusedError):
            publisher.flush(SOON_S)


def test_a_password_that_is_changed_while_running_is_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    with EmbeddedRedis() as server, publishing(server.url) as publisher, reading(server.url) as reader:
        write(publisher, rows("m1", value=1))
        reader.client.config_set("requirepass", "new")
        reader.client.auth("new")
        reader.client.client_kill_filter(_type="normal", skipme=True)
        publisher.offer(rows("m1", value=2))
        assert wait_until(lambda: "takes no writes" in caplog.text, SOON_S)
        reader.client.config_set("requirepass", "")
        assert publisher.flush(SOON_S)
        assert reader.value("m1") == "2"


def test_a_publisher_that_cannot_write_its_last_rows_says_so(caplog: pytest.LogCaptureFixture) -> None:
    publisher = RedisPublisher(settings(f"redis://127.0.0.1:{free_port()}/0"), Run(1, "r", WALL_MS))
    publisher.start()
    publisher.offer(rows("m1", "m2"))
    assert not publisher.close(limit_s=0.2)
    assert "2 merchants are not written to Redis" in caplog.text


def test_the_backlog_has_an_age_until_it_is_written(redis_url: str) -> None:
    with publishing(f"redis://127.0.0.1:{free_port()}/0") as publisher:
        publisher.offer(rows("m1"))
        assert wait_until(lambda: publisher.stats().backlog_age_s > 0.05, SOON_S)
    with publishing(redis_url) as publisher:
        write(publisher, rows("m1"))
        assert publisher.stats().backlog_age_s == 0
