"""The JSON API: what it answers equals Redis, and what it refuses it explains."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.web.night import SHOPS, Client, Night
from tests.web.rig import WebServer
from warroom.waiting import wait_until


def test_summary_has_the_totals_and_leaders_that_redis_has(
    web: WebServer, night: Night, client: Client
) -> None:
    night.write(700)
    wanted = night.fields("total", 700)
    assert wait_until(
        lambda: web.get("/api/v1/summary").json["totals"].get("gmv:day") == wanted["gmv:day"], 5
    )
    told = web.get("/api/v1/summary").json
    assert {name: told["totals"][name] for name in wanted} == wanted
    best = client.zrevrange("warroom:top:sales_multiple:1h", 0, 9, withscores=True)
    assert told["boards"]["sales_multiple:1h"] == [[i, score] for i, score in best]
    assert told["merchants"][best[0][0]]["name"] == client.hget(f"warroom:merchant:{best[0][0]}", "name")
    assert [p["value"] for p in told["shares"]["channel"]][:2] == ["koubei", "taobao"]


def test_merchant_has_every_field_of_its_hash(web: WebServer, night: Night) -> None:
    night.write(700)
    told = web.get("/api/v1/merchants/waipojia").json
    wanted = night.fields("waipojia", 700)
    assert {name: told[name] for name in wanted} == wanted
    assert (told["merchant_id"], told["name"], told["baseline_gmv"]) == ("waipojia", "外婆家", 2_000_000)
    assert told["channels:day"][0][0] == "koubei"
    assert [a["subject"] for a in told["alerts"]] == ["waipojia"] * len(told["alerts"]) != []


@pytest.mark.parametrize("merchant_id", ["a/b c?d#e", "../../etc/passwd", "店🧨", "100%"])
def test_merchant_of_any_id_is_found(web: WebServer, night: Night, client: Client, merchant_id: str) -> None:
    client.hset(f"warroom:merchant:{merchant_id}", mapping={"name": "x", "gmv:day": "5"})
    told = web.get(f"/api/v1/merchants/{quote(merchant_id, safe='')}")
    assert (told.status, told.json["merchant_id"], told.json["gmv:day"]) == (200, merchant_id, 5)


def test_leaderboard_is_read_page_by_page_to_its_end(web: WebServer, night: Night) -> None:
    night.write(700)
    found: list[Any] = []
    path = "/api/v1/merchants?top=gmv&window=day&limit=5"
    told = web.get(path).json
    while True:
        found += told["items"]
        if told["next_cursor"] is None:
            break
        told = web.get(f"{path}&cursor={told['next_cursor']}").json
    by_gmv = sorted(SHOPS, key=lambda s: -night.fields(s.merchant_id, 700)["gmv:day"])
    assert [item["merchant_id"] for item in found] == [s.merchant_id for s in by_gmv]
    assert [item["rank"] for item in found] == list(range(1, len(SHOPS) + 1))
    assert found[0]["gmv"] == night.fields(by_gmv[0].merchant_id, 700)["gmv:day"]


def test_series_has_the_minutes_that_are_asked_for(web: WebServer, night: Night) -> None:
    night.write(700)
    rows = web.get("/api/v1/series/waipojia?fields=gmv,orders:day&step=10").json["items"]
    assert len(rows) == 70
    assert rows[1] == {
        "time": 1_576_080_600_000,
        "gmv": night.sums("waipojia", 11, 1)[1],
        "orders:day": night.sums("waipojia", 11, 1_440)[0],
    }
    told = web.get(
        "/api/v1/series/total?fields=gmv&shape=columns&from=1576080000000&until=1576080120000"
    ).json
    assert told["columns"]["gmv"] == [night.sums("total", 1, 1)[1], night.sums("total", 2, 1)[1]]
    assert sum(told["ordinary"]) == pytest.approx(night.day_fen["total"])


def test_rollups_stand_by_value_greatest_first(web: WebServer, night: Night) -> None:
    night.write(700)
    told = web.get("/api/v1/rollups/channel?window=1h").json
    assert [item["value"] for item in told["items"]] == ["koubei", "taobao", "eleme", "wechat", "offline"]
    assert told["items"][0]["orders"] == int(night.fields("total", 700)["orders:1h"] * 0.42)
    assert (
        web.get("/api/v1/rollups/total").json["items"][0]["gmv:day"] == night.fields("total", 700)["gmv:day"]
    )


def test_alerts_are_read_page_by_page_newest_first(web: WebServer, night: Night) -> None:
    night.write(700)
    first = web.get("/api/v1/alerts?limit=3").json
    second = web.get(f"/api/v1/alerts?limit=100&cursor={first['next_cursor']}").json
    everything = web.get("/api/v1/alerts?limit=100").json
    assert first["items"] + second["items"] == everything["items"]
    only = web.get("/api/v1/alerts?merchant=ledazui").json
    assert {a["subject"] for a in only["items"]} == {"ledazui"}


def test_report_is_the_battle_report(web: WebServer, night: Night) -> None:
    night.write(700)
    told = web.get("/api/v1/report").json
    assert told["window"] == "sale"
    assert told["leaders"][0]["peak_multiple"] > 1


def test_answer_that_is_known_is_not_sent_again(web: WebServer, night: Night) -> None:
    night.write(700)
    path = "/api/v1/merchants/waipojia"
    etag = web.get(path).headers["etag"]
    again = web.get(path, {"if-none-match": f'"other", W/{etag}'})
    assert (again.status, again.body) == (304, b"")
    night.write(701)
    assert web.get(path, {"if-none-match": etag}).status == 200


def test_list_items_are_flat_for_the_infinity_plugin(web: WebServer, night: Night) -> None:
    night.write(700)
    for path in ("merchants?top=orders&window=5m", "series/total", "alerts"):
        items = web.get(f"/api/v1/{path}").json["items"]
        assert items
        assert all(isinstance(v, str | int | float | list) for v in items[0].values())


def test_openapi_describes_what_is_answered(web: WebServer, night: Night) -> None:
    night.write(10)
    described = web.get("/api/v1/openapi.json").json
    values = {"merchant_id": "waipojia", "subject": "total", "dimension": "channel"}
    for path, operations in described["paths"].items():
        operation = operations["get"]
        for parameter in operation["parameters"]:
            for value in parameter["schema"].get("enum", []):
                if parameter["in"] == "query" and value != "1m" and value != "12h":
                    assert web.get(f"{path.format(**values)}?{parameter['name']}={value}").status == 200
        if not path.endswith("stream"):
            answer = web.get(path.format(**values)).json
            schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
            assert schema.get("additionalProperties") or set(answer) <= set(schema["properties"])
