"""What stands in Redis after results have been offered to a publisher. On a real server."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from operators.batches import MerchantRows, SeriesPoint
from operators.changes import CLICK_SHIFT, ORDER_CHANGED, ORDER_SHIFT
from operators.rates import PEOPLE_WINDOWS
from operators.redis_fields import DECIMALS, FIELDS, OF_ORDERS
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
from tests.operators.redis_rig import WALL_MS, Reader, board, publishing, rows, write

PREFIX = "warroom:"


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


def test_values_that_have_a_rollup_are_listed_by_their_gmv_of_the_day(redis_url: str, reader: Reader) -> None:
    rows = board()
    rows.rollups |= {("channel", "koubei"): {"gmv:day": 7}, ("channel", "web"): {"gmv:day": 9}}
    with publishing(redis_url) as publisher:
        write(publisher, rows)
    listed = reader.client.zrevrange("warroom:rollups:channel", 0, -1, withscores=True)
    assert listed == [("web", 9.0), ("koubei", 7.0)]


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
