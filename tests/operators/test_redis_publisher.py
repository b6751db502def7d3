"""What stands in Redis after results have been offered to a publisher. On a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from operators.batches import NO_EVENT_MS, MerchantRows, SeriesPoint
from operators.changes import CLICK_SHIFT, ORDER_CHANGED, ORDER_SHIFT
from operators.rates import PEOPLE_WINDOWS
from operators.redis_errors import FencedError, RedisRefusedError
from operators.redis_fields import DECIMALS, FIELDS, OF_ORDERS
from operators.redis_publisher import RedisPublisher
from operators.redis_session import Run, next_run
from schemas.windows import (
    CLICK_MEASURES,
    DISTINCT,
    HOUR_MS,
    MEASURES,
    MINUTE_MS,
    ORDER_MEASURES,
    RATIOS,
    WINDOWS,
    windows_of,
)
from tests.operators.redis_rig import WALL_MS, Reader, board, publishing, rows, settings, write
from warroom.waiting import wait_until

PREFIX = "warroom:"


@pytest.fixture
def reader(redis_url: str) -> Iterator[Reader]:
    reader = Reader(redis_url)
    yield reader
    reader.close()


def test_a_merchants_hash_holds_every_field_of_the_layout(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url) as publisher:
        write(publisher, rows("m1", value=7, multiple=57.0, people=12))
    found = reader.merchant("m1")
    updated_at = int(found.pop("updated_at"))
    measures = {f"{m}:{w}": "7" for w in WINDOWS for m in MEASURES}
    ratios = {f"{k}:{w}": "57" for k in RATIOS for w in windows_of(k)}
    people = {f"{k}:{w}": "12" for k in DISTINCT for w in windows_of(k)}
    assert found == measures | ratios | people | {
        "name": "店m1",
        "event_time": str(WALL_MS + 7),
        "peak_sales_multiple:1h": "57",
        "peak_sales_multiple_at:1h": str(WALL_MS),
        "same_period_multiple_at_peak:1h": "57",
        "baseline_gmv": "12.5",
        "baseline_orders": "3",
        "baseline_new_members": "16",
        "baseline_hours_to_100_new_members": "150",
        "hours_to_100_new_members": "57",
        "hours_to_100_new_members:sale": "57",
    }
    assert updated_at > WALL_MS


def test_only_windows_that_changed_are_written(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url) as publisher:
        write(publisher, rows("m1", value=1))
        write(publisher, rows("m1", value=2, windows=["1m"]))
    assert (reader.value("m1", "gmv:1m"), reader.value("m1", "gmv:1h")) == ("2", "1")


def test_a_merchant_without_clicks_has_no_fields_from_clicks(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url) as publisher:
        write(publisher, rows("m1", multiple=57.0, people=2, clicked=False))
    found = reader.merchant("m1")
    of_clicks = [*CLICK_MEASURES, "cart_rate", "private_traffic_share", "new_member_rate", "visitors"]
    assert [name for name in found if name.rpartition(":")[0] in of_clicks] == []
    assert (found["orders:1h"], found["buyers:1h"]) == ("1", "2")


def test_orders_alone_leave_the_fields_from_clicks_as_they_are(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url) as publisher:
        write(publisher, rows("m1", value=1))
        later = rows("m1", value=2)
        later.changed &= ORDER_CHANGED
        write(publisher, later)
    assert (reader.value("m1", "orders:1h"), reader.value("m1", "views:1h")) == ("2", "1")


def test_the_ordinary_day_of_a_series_is_written_and_removed(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url) as publisher:
        offer = rows("m1")
        offer.ordinary = {"m1": [1.5] * 24}
        write(publisher, offer)
        assert json.loads(reader.client.get("warroom:ordinary:m1")) == [1.5] * 24
        offer.ordinary = {"m1": None}
        write(publisher, offer)
    assert reader.client.get("warroom:ordinary:m1") is None


def test_absent_multiples_are_no_fields(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url) as publisher:
        write(publisher, rows("m1"))
    assert [name for name in reader.merchant("m1") if "multiple" in name or "baseline" in name] == []


def test_a_multiple_that_has_become_absent_is_removed(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url) as publisher:
        write(publisher, rows("m1", multiple=3.0))
        write(publisher, rows("m1", windows=["1h"]))
    found = reader.merchant("m1")
    assert "sales_multiple:1h" not in found
    assert "peak_sales_multiple:1h" not in found
    assert found["sales_multiple:1m"] == "3"


def test_what_a_run_before_left_absent_now_is_removed(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url, run=1) as publisher:
        write(publisher, rows("m1", multiple=3.0))
    with publishing(redis_url, run=2) as publisher:
        write(publisher, rows("m1"))
    assert "sales_multiple:1h" not in reader.merchant("m1")


def test_a_multiple_that_comes_goes_and_comes_again_is_as_it_was_last(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url) as publisher:
        for multiple in (float("nan"), 2.0, float("nan")):
            write(publisher, rows("m1", multiple=multiple))
    assert reader.value("m1", "sales_multiple:1h") is None


@pytest.mark.parametrize(
    "merchant_id",
    [
        "😀" * 32,
        "a b\t\"c\" 'd'",
        "line\r\nbreak\n",
        "*3\r\n$3\r\nDEL\r\n",
        "{tag}:1h",
        "\x00\x7f",
        "x" * 128,
    ],
)
def test_any_id_is_a_key_as_it_is(redis_url: str, reader: Reader, merchant_id: str) -> None:
    with publishing(redis_url) as publisher:
        write(publisher, rows("neighbour", merchant_id, value=5))
    assert reader.value(merchant_id) == "5"
    assert reader.hash(f"merchant:{merchant_id}")["name"] == f"店{merchant_id}"
    assert reader.value("neighbour") == "5"


def test_thousands_of_merchants_are_all_written(redis_url: str, reader: Reader) -> None:
    merchants = [f"m{i}" for i in range(3_000)]
    with publishing(redis_url) as publisher:
        write(publisher, rows(*merchants, value=4))
        assert publisher.stats().merchants_written == 3_000
    assert {reader.value(m) for m in merchants} == {"4"}


def test_latency_is_counted_for_every_merchant_whose_events_are_new(redis_url: str) -> None:
    with publishing(redis_url) as publisher:
        write(publisher, rows("m1", "m2", arrived_ms=WALL_MS), rows("m3", arrived_ms=WALL_MS, urgent=False))
        assert publisher.stats().latency.counts.sum() == 2


def test_progress_stands_beside_the_values(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url) as publisher:
        write(publisher, rows("m1", shard=3, offset=41), rows("m2", shard=12, offset=42))
    assert reader.hash("progress:03") == {"orders/0": "41"}
    assert reader.hash("progress:12") == {"orders/0": "42"}


def test_meta_names_run_layout_and_clock(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url, run=5) as publisher:
        write(publisher, board(watermark_ms=WALL_MS, newest_ms=WALL_MS + 1))
    meta = reader.hash("meta")
    del meta["updated_at"], meta["writes:0"]
    assert meta == {
        "run": "5",
        "run_id": "run-5",
        "started_at": str(WALL_MS),
        "layout": "1",
        "watermark": str(WALL_MS),
        "event_time": str(WALL_MS + 1),
        "merchants": "2",
        "merchants_without_baseline": "1",
    }


def test_a_leaderboard_is_replaced_as_a_whole(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url) as publisher:
        write(publisher, board(8.0))
        later = board(9.0)
        later.tops["gmv", "1h"] = [("m7", None, 9.5)]
        write(publisher, later)
    assert reader.client.zrange("warroom:top:gmv:1h", 0, -1, withscores=True) == [("m7", 9.5)]


def test_an_empty_leaderboard_is_no_key(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url) as publisher:
        write(publisher, board())
        later = board()
        later.tops["gmv", "1h"] = []
        write(publisher, later)
    assert reader.client.exists("warroom:top:gmv:1h") == 0


def test_the_total_is_a_hash(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url) as publisher:
        write(publisher, board(8.0))
    assert reader.hash("rollup:total:all")["gmv:1h"] == "8"


def test_a_series_has_a_json_array_a_minute(redis_url: str, reader: Reader) -> None:
    points = [SeriesPoint("m1", WALL_MS, [1, 2]), SeriesPoint("m1", WALL_MS + MINUTE_MS, [3, 4])]
    with publishing(redis_url) as publisher:
        write(publisher, rows("m1", series=points))
    found = {int(k): json.loads(v) for k, v in reader.hash("series:m1").items()}
    assert found == {WALL_MS: [1, 2], WALL_MS + MINUTE_MS: [3, 4]}


def test_a_series_keeps_48_hours(redis_url: str, reader: Reader) -> None:
    minutes = 49 * 60
    points = [SeriesPoint("m1", WALL_MS + i * MINUTE_MS, [i]) for i in range(minutes)]
    with publishing(redis_url) as publisher:
        write(publisher, rows("m1", series=points[:1_000]), rows("m1", series=points[1_000:]))
    assert sorted(map(int, reader.hash("series:m1"))) == [p.minute_ms for p in points[-48 * 60 :]]


def test_what_runs_before_left_of_a_series_is_cut_at_the_start(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url, run=1) as publisher:
        write(publisher, rows("m1", series=[SeriesPoint("m1", WALL_MS, [1])]))
    later_ms = WALL_MS + 100 * HOUR_MS + MINUTE_MS
    with publishing(redis_url, run=2) as publisher:
        write(publisher, rows("m1", series=[SeriesPoint("m1", later_ms, [2])]))
    assert list(reader.hash("series:m1")) == [str(later_ms)]


@st.composite
def histories(draw: st.DrawFn) -> list[MerchantRows]:
    """Offers as a shard makes them: a window whose bit is not set has the values that it had before."""
    of_orders = FIELDS.ratio_by == OF_ORDERS
    multiples: dict[str, np.ndarray] = {m: np.full((len(WINDOWS), len(DECIMALS)), np.nan) for m in "abcd"}
    offers = []
    for value in range(1, 1 + draw(st.integers(1, 6))):
        who = draw(st.lists(st.sampled_from("abcd"), unique=True, max_size=4))
        offer = rows(*who, value=value, urgent=draw(st.booleans()))
        for i, merchant in enumerate(who):
            offer.changed[i] = 0
            for shift, mine in ((ORDER_SHIFT, of_orders), (CLICK_SHIFT, ~of_orders)):
                windows = draw(st.lists(st.integers(0, len(WINDOWS) - 1), unique=True))
                news = draw(st.sampled_from([float("nan"), 1.5, float(value)]))
                multiples[merchant][np.ix_(windows, mine)] = news
                offer.changed[i] |= sum(1 << shift + w for w in windows)
            offer.ratios[i] = multiples[merchant][:, : len(RATIOS)]
            offer.people[i] = multiples[merchant][PEOPLE_WINDOWS, len(RATIOS) :].T
            # So that a measure says with its multiple when its window changed last.
            for m in range(len(MEASURES)):
                first = 0 if m < len(ORDER_MEASURES) else RATIOS.index("new_member_multiple")
                offer.measures[i, :, m] = np.nan_to_num(multiples[merchant][:, first] * 10).astype(np.int64)
        offers.append(offer)
    return offers


@examples(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(offers=histories())
def test_any_sequence_of_offers_ends_like_writing_them_one_by_one(
    redis_url: str, offers: list[MerchantRows]
) -> None:
    assert final_content(redis_url, [offers]) == final_content(redis_url, [[o] for o in offers])


def final_content(url: str, batches: list[list[MerchantRows]]) -> dict[str, dict[str, str]]:
    reader = Reader(url)
    reader.client.flushall()
    with publishing(url) as publisher:
        for batch in batches:
            write(publisher, *batch)
    found = reader.everything()
    reader.close()
    return found


# Runs.


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
