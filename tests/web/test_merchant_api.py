"""What the API tells of one merchant beside its fields: its ordinary day, and alerts that are over."""

from __future__ import annotations

import pytest

from dashboards.web.curves import ordinary_new_members
from schemas import redis_layout
from tests.web.night import HOURS, PREFIX, Night
from tests.web.rig import WebServer


def test_alerts_that_are_over_stand_apart_from_those_that_hold(web: WebServer, night: Night) -> None:
    night.write(800)
    before = web.get("/api/v1/merchants/waipojia").json
    assert len(before["alerts"]) > 2
    assert before["past_alerts"] == []
    *_, over = before["alerts"]
    night.client.hdel(redis_layout.active_alerts(PREFIX), over["alert_id"])
    told = web.get("/api/v1/merchants/waipojia").json
    assert told["past_alerts"] == [over]
    assert told["alerts"] == [a for a in before["alerts"] if a != over]


def test_past_alerts_are_read_page_by_page(web: WebServer, night: Night) -> None:
    night.write(800)
    night.client.delete(redis_layout.active_alerts(PREFIX))
    everything = web.get("/api/v1/alerts?merchant=waipojia").json
    assert everything["active"] == []
    assert everything["next_cursor"] is None
    pages, path = [], "/api/v1/alerts?merchant=waipojia&limit=1"
    cursor = ""
    while cursor is not None:
        page = web.get(path + (f"&cursor={cursor}" if cursor else "")).json
        pages += page["items"]
        cursor = page["next_cursor"]
    assert pages == everything["items"] == web.get("/api/v1/merchants/waipojia").json["past_alerts"]
    assert len(pages) > 2


def test_ordinary_day_has_its_new_members_by_hour(web: WebServer, night: Night) -> None:
    night.write(10)
    told = web.get("/api/v1/merchants/waipojia").json
    assert told["ordinary_new_members_by_hour"] == pytest.approx(
        [17 * h / sum(HOURS) for h in HOURS], abs=1e-6
    )
    night.client.hdel(redis_layout.merchant(PREFIX, "waipojia"), redis_layout.BASELINE_NEW_MEMBERS)
    assert "ordinary_new_members_by_hour" not in web.get("/api/v1/merchants/waipojia").json


@pytest.mark.parametrize(("gmv", "a_day"), [([0.0] * 24, 5.0), ([1.0] * 24, None)])
def test_pace_that_cannot_be_told_is_absent(gmv: list[float], a_day: float | None) -> None:
    assert ordinary_new_members(gmv, a_day) is None


def test_ordinary_new_members_sum_to_the_days() -> None:
    assert sum(ordinary_new_members([float(h) for h in HOURS], 16.68) or ()) == pytest.approx(16.68, abs=1e-4)


def test_description_names_what_is_put_to_a_merchant(web: WebServer, night: Night) -> None:
    night.write(800)
    described = web.get("/api/v1/openapi.json").json["paths"]["/api/v1/merchants/{merchant_id}"]["get"]
    properties = described["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    told = web.get("/api/v1/merchants/waipojia").json
    assert set(properties) <= set(told)
    assert {"alerts", "past_alerts", "ordinary_new_members_by_hour"} <= set(properties)
