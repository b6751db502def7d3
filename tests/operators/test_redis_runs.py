"""Whose results stand in Redis: newer runs fence older ones off, and nobody shows a time that is over."""

from __future__ import annotations

import pytest

from operators.batches import NO_EVENT_MS
from operators.redis_errors import FencedError, RedisRefusedError
from operators.redis_publisher import RedisPublisher
from operators.redis_run import Run
from operators.redis_session import next_run
from tests.operators.redis_rig import WALL_MS, Reader, board, publishing, rows, settings, write
from warroom.waiting import wait_until

PREFIX = "warroom:"


def test_an_older_run_cannot_write(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url, run=1) as old:
        write(old, rows("m1", value=1))
        with publishing(redis_url, run=2) as new:
            write(new, rows("m1", value=2, offset=2))
            old.offer(rows("m1", value=99, offset=9))
            with pytest.raises(FencedError, match=r"run 2 writes to .* now; this is run 1"):
                old.flush(10)
    assert reader.value("m1") == "2"


def test_a_run_that_has_been_replaced_hears_of_it_without_writing(redis_url: str) -> None:
    with publishing(redis_url, run=1) as old:
        next_run(redis_url, PREFIX)
        assert wait_until(lambda: refused(old), 10)


def refused(publisher: RedisPublisher) -> bool:
    try:
        publisher.check()
    except FencedError:
        return True
    return False


def test_an_older_run_cannot_start(redis_url: str) -> None:
    next_run(redis_url, PREFIX, at_least=7)
    with pytest.raises(FencedError, match="run 7 writes"):
        RedisPublisher(settings(redis_url), Run(6, "old", WALL_MS)).start()


def test_run_numbers_only_grow(redis_url: str) -> None:
    assert [next_run(redis_url, PREFIX), next_run(redis_url, PREFIX)] == [1, 2]


def test_a_run_number_known_from_before_redis_was_emptied_is_not_given_out_again(redis_url: str) -> None:
    assert next_run(redis_url, PREFIX, at_least=58) == 58


def test_two_processes_of_one_run_write_side_by_side(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url) as one, publishing(redis_url) as two:
        write(one, rows("m1", shard=1))
        write(two, rows("m2", shard=2))
        write(one, rows("m1", shard=1, value=3))
    assert (reader.value("m1"), reader.value("m2")) == ("3", "1")


# Never back in time.


def test_a_shard_that_is_behind_what_redis_shows_writes_nothing(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url, run=1) as before:
        write(before, rows("m1", value=100, offset=100))
    with publishing(redis_url, run=2) as after:
        write(after, rows("m1", value=90, offset=90))
        assert after.stats().held_shards == 1
    assert reader.value("m1") == "100"


def test_a_shard_writes_everything_that_waited_once_it_has_caught_up(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url, run=1) as before:
        write(before, rows("m1", "m2", value=100, offset=100))
    with publishing(redis_url, run=2) as after:
        write(after, rows("m2", "m3", value=90, offset=90), rows("m1", value=100, offset=100))
        assert after.stats().held_shards == 0
    assert [reader.value(m) for m in ("m1", "m2", "m3")] == ["100", "90", "90"]


def test_a_shard_that_is_behind_does_not_hold_another(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url, run=1) as before:
        write(before, rows("m1", shard=1, offset=100))
    with publishing(redis_url, run=2) as after:
        write(after, rows("m1", shard=1, offset=90, value=2), rows("m2", shard=2, offset=90, value=2))
    assert (reader.value("m1"), reader.value("m2")) == ("1", "2")


def test_a_run_that_starts_over_writes_at_once(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url, run=1) as before:
        write(before, rows("m1", value=100, offset=100), board(newest_ms=WALL_MS + 9))
    with publishing(redis_url, run=2, start_over=True) as after:
        write(after, rows("m1", value=1, offset=1), board(newest_ms=WALL_MS))
    assert reader.value("m1") == "1"
    assert reader.hash("progress:00") == {"orders/0": "1"}
    assert reader.hash("meta")["event_time"] == str(WALL_MS)


def test_a_board_that_is_behind_what_redis_shows_is_not_written(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url, run=1) as before:
        write(before, board(100.0, watermark_ms=WALL_MS, newest_ms=WALL_MS + 50))
    with publishing(redis_url, run=2) as after:
        write(after, board(90.0, watermark_ms=WALL_MS, newest_ms=WALL_MS + 40))
        assert reader.hash("rollup:total:all")["gmv:1h"] == "100"
        write(after, board(101.0, watermark_ms=WALL_MS, newest_ms=WALL_MS + 50))
    assert reader.hash("rollup:total:all")["gmv:1h"] == "101"


# Loss.


def test_after_redis_was_emptied_every_shard_is_asked_for_everything(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url) as publisher:
        write(publisher, rows("m1", shard=1), rows("m2", shard=2))
        assert not publisher.needs_everything(1)
        reader.client.flushall()
        assert wait_until(lambda: publisher.stats().losses == 1, 10)
        assert [publisher.needs_everything(shard) for shard in (1, 2, 3)] == [True, True, False]
        assert not publisher.needs_everything(1)


def test_after_redis_was_emptied_the_run_owns_it_again(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url, run=4) as publisher:
        write(publisher, rows("m1"))
        reader.client.flushall()
        write(publisher, rows("m1", value=2, windows=["1m"]))
    assert reader.hash("meta")["run"] == "4"
    assert reader.value("m1", "gmv:12h") == "2"


def test_every_process_of_a_run_notices_that_redis_was_emptied(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url) as one, publishing(redis_url, writer=1) as two:
        write(one, rows("m1", shard=1))
        write(two, rows("m2", shard=2))
        reader.client.flushall()
        write(one, rows("m1", shard=1, value=2))
        assert wait_until(lambda: two.needs_everything(2), 10)


def test_another_layout_is_refused(redis_url: str, reader: Reader) -> None:
    reader.client.hset("warroom:meta", "layout", 2)
    with pytest.raises(
        RedisRefusedError, match=r"warroom:meta at .* has layout 2, this program writes layout 1"
    ):
        RedisPublisher(settings(redis_url), Run(1, "r", WALL_MS)).start()


def test_a_closed_publisher_has_written_everything(redis_url: str, reader: Reader) -> None:
    publisher = RedisPublisher(settings(redis_url), Run(1, "r", WALL_MS))
    publisher.start()
    publisher.offer(rows("m1", value=6))
    assert publisher.close()
    assert reader.value("m1") == "6"


def test_a_key_of_another_type_is_named_in_the_log(
    redis_url: str, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    reader.client.set("warroom:merchant:m1", "something else")
    with publishing(redis_url) as publisher:
        publisher.offer(rows("m1"))
        assert wait_until(lambda: "WRONGTYPE" in caplog.text, 10)
        reader.client.delete("warroom:merchant:m1")
        assert publisher.flush(10)
    assert reader.value("m1") == "1"


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(RedisRefusedError, match="is no Redis URL"):
        RedisPublisher(settings("http://localhost"), Run(1, "r", WALL_MS))


def test_a_board_from_before_the_first_watermark_is_not_shown_back_in_time(
    redis_url: str, reader: Reader
) -> None:
    with publishing(redis_url, run=1) as before:
        write(before, board(watermark_ms=NO_EVENT_MS, newest_ms=WALL_MS + 9))
    with publishing(redis_url, run=2) as publisher:
        write(publisher, board(watermark_ms=NO_EVENT_MS, newest_ms=WALL_MS + 5))
        assert reader.hash("meta")["event_time"] == str(WALL_MS + 9)
        write(publisher, board(watermark_ms=NO_EVENT_MS, newest_ms=WALL_MS + 9))
        assert reader.hash("meta")["event_time"] == str(WALL_MS + 9)
