"""``loadgen replay``: recorded files as orders; what cannot be used is told, the rest is used."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from loadgen.mapping import load_mapping, shipped_formats
from loadgen.recorded import read_files
from tests.loadgen.console import Loadgen
from tests.loadgen.consumed import read_topic

SMALL = Path(__file__).parent / "data" / "userbehavior-small.csv"
"""61 rows, 13 of them purchases: lines 10, 15 and 25 are broken, and the last is cut off."""


def replay(loadgen: Loadgen, broker: str, *more: str) -> str:
    done = loadgen("replay", str(SMALL), "--format", "taobao-userbehavior", "--brokers", broker,
                   "--create-topics", "--max", *more)  # fmt: skip
    assert done.code == 0, done.err
    return done.err


def test_purchases_arrive_as_paid_orders_of_one_unit_by_category(broker: str, loadgen: Loadgen) -> None:
    replay(loadgen, broker)
    orders = sorted(
        (json.loads(m.value()) for m in read_topic(broker, "orders", 4)), key=lambda o: o["event_time"]
    )
    assert len(orders) == 9
    assert orders[0] == {
        "order_id": "tb5",
        "merchant_id": "c4756105",
        "member_id": "u7004",
        "amount": 100,
        "quantity": 1,
        "status": "paid",
        "event_time": 1511658148000,
    }


def test_the_kafka_timestamp_is_the_recorded_time(broker: str, loadgen: Loadgen) -> None:
    replay(loadgen, broker)
    messages = read_topic(broker, "orders", 4)
    assert all(json.loads(m.value())["event_time"] == m.timestamp()[1] for m in messages)


def test_rows_that_cannot_be_used_are_told_with_line_and_reason(broker: str, loadgen: Loadgen) -> None:
    assert replay(loadgen, broker).splitlines() == [
        "loadgen: userbehavior-small.csv:61: the file ends in the middle of this row; not used",
        "loadgen: userbehavior-small.csv:10: event_ms is not a time; not used",
        "loadgen: userbehavior-small.csv:15: no value in column 'category_id'; not used",
        "loadgen: userbehavior-small.csv:25: no value in column 'timestamp'; not used",
        "loadgen: 4 rows were not used; all others are",
    ]


def test_a_last_row_without_line_end_is_used_when_asked(broker: str, loadgen: Loadgen) -> None:
    replay(loadgen, broker, "--use-last-row")
    assert len(read_topic(broker, "orders", 4)) == 10


def test_the_oracle_equals_plain_counting_of_the_file(broker: str, loadgen: Loadgen, tmp_path: Path) -> None:
    replay(loadgen, broker, "--oracle", str(tmp_path / "oracle.json"))
    counted: dict[str, int] = {}
    for line in SMALL.read_text().splitlines()[:-1]:
        columns = line.split(",")
        if columns[3] == "buy" and columns[2] and len(columns) == 5 and columns[4].isdigit():
            counted[f"c{columns[2]}"] = counted.get(f"c{columns[2]}", 0) + 1
    oracle = json.loads((tmp_path / "oracle.json").read_text())
    sold = {m: e["measures"] for m, e in oracle["merchants"].items() if e["measures"]["orders:day"]}
    assert {m: measures["orders:day"] for m, measures in sold.items()} == counted
    assert all(measures["gmv:day"] == 100 * counted[m] for m, measures in sold.items())


def test_views_carts_and_favourites_arrive_as_clicks(broker: str, loadgen: Loadgen) -> None:
    replay(loadgen, broker)
    clicks = sorted(
        (json.loads(m.value()) for m in read_topic(broker, "clicks", 4)), key=lambda c: c["event_time"]
    )
    assert Counter(c["action"] for c in clicks) == {"view": 24, "cart": 12, "favorite": 12}
    assert clicks[0] == {
        "event_id": "tc1",
        "merchant_id": "c4756105",
        "visitor_id": "u7000",
        "action": "view",
        "event_time": 1511658000000,
    }


def test_people_of_both_topics_are_counted_as_the_file_has_them(
    broker: str, loadgen: Loadgen, tmp_path: Path
) -> None:
    replay(loadgen, broker, "--oracle", str(tmp_path / "oracle.json"))
    looked: dict[str, set[str]] = {}
    bought: dict[str, list[str]] = {}
    for line in SMALL.read_text().splitlines()[:-1]:
        columns = line.split(",")
        if len(columns) == 5 and columns[2] and columns[4].isdigit():
            user, merchant, behaviour = columns[0], f"c{columns[2]}", columns[3]
            if behaviour == "buy":
                bought.setdefault(merchant, []).append(user)
            else:
                looked.setdefault(merchant, set()).add(user)
    oracle = json.loads((tmp_path / "oracle.json").read_text())
    told = {m: e["people"] for m, e in oracle["merchants"].items()}
    assert {m: people["visitors:day"] for m, people in told.items()} == {m: len(u) for m, u in looked.items()}
    assert {m: p["buyers:day"] for m, p in told.items() if p["buyers:day"]} == {
        m: len(set(users)) for m, users in bought.items()
    }
    everybody = oracle["rollups"]["total:all"]["people"]
    assert everybody["visitors:day"] == len(set.union(*looked.values()))
    assert everybody["buyers:day"] == len({user for users in bought.values() for user in users})


def test_an_empty_clicks_topic_replays_orders_alone(broker: str, loadgen: Loadgen, tmp_path: Path) -> None:
    replay(loadgen, broker, "--topic-clicks", "", "--oracle", str(tmp_path / "oracle.json"))
    oracle = json.loads((tmp_path / "oracle.json").read_text())
    assert (oracle["clicks"], oracle["totals"]["orders:day"]) == (False, 9)


def test_several_files_have_order_ids_of_their_own() -> None:
    orders, _ = read_files([SMALL, SMALL], load_mapping("taobao-userbehavior"))
    assert orders["order_id"].n_unique() == len(orders) == 18


class TestBadInput:
    def test_an_unknown_format_is_told_with_those_there_are(self, loadgen: Loadgen) -> None:
        done = loadgen("replay", str(SMALL), "--format", "tmall")
        assert done.code == 2
        assert done.err == (
            f"loadgen: no format named 'tmall'; there are {', '.join(shipped_formats())}, "
            "or give the path of a .toml file\n"
        )

    def test_a_mapping_that_names_a_column_the_file_lacks_is_told(
        self, loadgen: Loadgen, tmp_path: Path
    ) -> None:
        mapping = tmp_path / "mine.toml"
        text = (Path("loadgen/formats/taobao-userbehavior.toml")).read_text()
        mapping.write_text(text.replace('column = "category_id"', 'column = "shop"'))
        done = loadgen("replay", str(SMALL), "--format", str(mapping))
        assert done.code == 2
        assert done.err == (
            f"loadgen: {SMALL}: has no column 'shop' that the mapping taobao-userbehavior names; "
            "it has user_id, item_id, category_id, behavior, timestamp\n"
        )

    def test_a_file_that_does_not_exist_is_told(self, loadgen: Loadgen) -> None:
        done = loadgen("replay", "nowhere.csv", "--format", "taobao-userbehavior")
        assert done.code == 2
        assert done.err.startswith("loadgen: nowhere.csv: cannot be read: ")

    @pytest.mark.parametrize("when", ["yesterday", "2019-12-12T00:00:00"])
    def test_a_sale_opening_without_offset_is_told(self, when: str, loadgen: Loadgen) -> None:
        done = loadgen("replay", str(SMALL), "--format", "taobao-userbehavior", "--sale-opens", when)
        assert done.code == 2
        assert "write a time with its offset" in done.err
