"""The shipped mappings, each on rows of its public format."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import msgspec
import polars as pl
import pytest

from loadgen.errors import LoadgenError
from loadgen.mapping import load_mapping, shipped_formats
from loadgen.published import PUBLISHED, RECORDS, published_text
from loadgen.recorded import read_orders
from loadgen.recorded_clicks import CLICK_FIELDS, read_events

ROWS = {
    "taobao-userbehavior": "1,2,3,pv,1511658000\n1,2,3,buy,1511658001\n",
    "tmall-repeat-buyers": (
        "user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type\n"
        "328862,323294,833,2882,2661.0,0829,0\n328862,844400,1271,2882,2661.0,1111,2\n"
    ),
    "rees46": (
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
        "2019-11-01 00:00:00 UTC,view,1003461,2053,electronics.smartphone,xiaomi,489.07,5201,4d3b\n"
        "2019-11-01 00:00:41 UTC,purchase,1003461,2053,,xiaomi,489.07,5201,4d3b\n"
    ),
    "retailrocket": (
        "timestamp,visitorid,event,itemid,transactionid\n"
        "1433221332117,257597,view,355908,\n1433222276276,599528,transaction,356475,4000\n"
    ),
    "olist": (
        '"order_id","order_item_id","seller_id","customer_id","price","order_status","order_purchase_timestamp"\n'
        '"e481f51c","1","3504c0cb","9ef432eb","29.99","delivered","2017-10-02 10:56:33"\n'
    ),
}
EXPECTED = {
    "taobao-userbehavior": ("tb2", "c3", "u1", 100, "paid", 1511658001000),
    "tmall-repeat-buyers": ("tm3", "s2882", "u328862", 100, "paid", 1415635200000),
    "rees46": ("re3", "xiaomi", "u5201", 48907, "paid", 1572566441000),
    "retailrocket": ("rr3", "i356475", "v599528", 100, "paid", 1433222276276),
    "olist": ("e481f51c-1", "3504c0cb", "9ef432eb", 2999, "paid", 1506952593000),
}
CLICKS = {
    "taobao-userbehavior": ("tc1", "c3", "u1", "view", 1511658000000),
    "tmall-repeat-buyers": ("tmc2", "s2882", "u328862", "view", 1409241600000),
    "rees46": ("rec2", "xiaomi", "u5201", "view", 1572566400000),
    "retailrocket": ("rc2", "i355908", "v257597", "view", 1433221332117),
}
FIELDS = ("order_id", "merchant_id", "member_id", "amount_fen", "status", "event_ms")


def test_every_shipped_format_is_tested_here() -> None:
    assert shipped_formats() == sorted(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_a_purchase_becomes_an_order(name: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS[name])
    orders, complaints = read_orders(path, load_mapping(name))
    assert (orders.select(FIELDS).rows(), complaints) == ([EXPECTED[name]], [])


@pytest.mark.parametrize("name", CLICKS)
def test_a_look_becomes_a_click(name: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS[name])
    recorded = read_events([path], load_mapping(name))
    assert recorded.clicks is not None
    assert (recorded.clicks.select(CLICK_FIELDS).rows(), recorded.complaints) == ([CLICKS[name]], [])


def test_carts_and_favourites_are_called_as_the_contract_calls_them(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("1,2,3,cart,1511658000\n1,2,3,fav,1511658001\n")
    clicks = read_events([path], load_mapping("taobao-userbehavior")).clicks
    assert clicks is not None
    assert clicks["action"].to_list() == ["cart", "favorite"]


def test_a_format_without_clicks_makes_none(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS["olist"])
    assert read_events([path], load_mapping("olist")).clicks is None


def test_a_compressed_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(ROWS["retailrocket"].encode()))
    orders, _ = read_orders(path, load_mapping("retailrocket"))
    assert orders.select(FIELDS).rows() == [EXPECTED["retailrocket"]]


@pytest.mark.parametrize("kind", ["ndjson", "parquet"])
def test_ndjson_and_parquet_are_read_with_a_mapping_of_their_kind(kind: str, tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"timestamp": [1433222276276], "visitorid": [599528], "event": ["transaction"], "itemid": [356475]}
    )
    path = tmp_path / f"rows.{kind}"
    frame.write_ndjson(path) if kind == "ndjson" else frame.write_parquet(path)
    mapping = msgspec.structs.replace(load_mapping("retailrocket"), kind=kind)
    orders, _ = read_orders(path, mapping)
    assert orders["merchant_id"].to_list() == ["i356475"]


def test_a_cancelled_olist_order_keeps_its_status(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS["olist"].replace("delivered", "canceled"))
    orders, _ = read_orders(path, load_mapping("olist"))
    assert orders["status"].to_list() == ["cancelled"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("[order]", "[ordr]"), "unknown field `ordr`"),
        (
            ('amount_fen = { constant = "100" }', "amount_fen = {}"),
            "order.amount_fen must have exactly one of column and constant",
        ),
        (('unit = "ms"', 'unit = "h"'), "Invalid enum value 'h'"),
        (('unit = "ms"', 'unit = "text"'), 'order.time needs a format with unit = "text"'),
        (
            ('row = "rr"', 'row = "rr", constant = "x"'),
            "order.order_id must have exactly one of column, constant and row",
        ),
        (("[order]", "[order"), "not TOML"),
    ],
)
def test_a_mapping_with_a_mistake_is_told(change: tuple[str, str], told: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text((Path("loadgen/formats/retailrocket.toml")).read_text().replace(*change))
    with pytest.raises(LoadgenError, match=f"^{path}: .*{told}".replace("(", r"\(")):
        load_mapping(str(path))


@pytest.mark.parametrize("name", RECORDS)
def test_published_schemas_are_what_the_code_says(name: str) -> None:
    assert (PUBLISHED / f"{name}.schema.json").read_text(encoding="utf-8") == published_text(RECORDS[name])


def many_rows(kind: str, count: int = 2_000) -> bytes:
    """Purchases as the mapping of retailrocket reads them, in a file of a kind."""
    frame = pl.DataFrame(
        {
            "timestamp": [1_433_222_276_276 + n for n in range(count)],
            "visitorid": range(count),
            "event": ["transaction"] * count,
            "itemid": [n % 7 for n in range(count)],
            "transactionid": range(count),
        }
    )
    if kind == "parquet":
        held = io.BytesIO()
        frame.write_parquet(held)
        return held.getvalue()
    return (frame.write_ndjson() if kind == "ndjson" else frame.write_csv()).encode()


def cut(kind: str, name: str, data: bytes, folder: Path) -> tuple[pl.DataFrame, list[str], int]:
    """Read two thirds of a file: its orders, what was told, and how many orders there would have been."""
    path = folder / name
    path.write_bytes(data[: len(data) * 2 // 3])
    mapping = msgspec.structs.replace(load_mapping("retailrocket"), kind=kind)
    orders, complaints = read_orders(path, mapping)
    return orders, [str(complaint) for complaint in complaints], 2_000


@pytest.mark.parametrize(
    ("kind", "name", "pack"),
    [
        ("csv", "rows.csv", bytes),
        ("csv", "rows.csv.gz", gzip.compress),
        ("ndjson", "rows.ndjson", bytes),
        ("ndjson", "rows.ndjson.gz", gzip.compress),
    ],
)
def test_of_a_file_that_ends_in_the_middle_of_a_row_all_rows_before_are_used(
    kind: str, name: str, pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    orders, complaints, whole = cut(kind, name, pack(many_rows(kind)), tmp_path)
    assert whole // 2 < len(orders) < whole * 3 // 4
    line = len(orders) + (2 if kind == "csv" else 1)
    assert complaints == [f"{name}:{line}: the file ends in the middle of this row; not used"]


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv.zst"])
def test_of_a_file_that_cannot_be_read_in_parts_nothing_is_used_and_it_says_so(
    name: str, tmp_path: Path
) -> None:
    kind = name.split(".")[1]
    data = many_rows(kind)
    if name.endswith(".zst"):
        path = tmp_path / "whole.csv.zst"
        pl.read_csv(data).lazy().sink_csv(path, compression="zstd")
        data = path.read_bytes()
    with pytest.raises(LoadgenError, match=f"{name}: .*; nothing is used$"):
        cut(kind, name, data, tmp_path)
