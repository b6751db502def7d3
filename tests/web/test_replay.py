"""The night replayed: its alerts from the whole stream, and patience with a server that is asked too much."""

from __future__ import annotations

import json

from playwright.sync_api import Request, Route

from schemas import redis_layout
from tests.web.night import OPENS_MS, PREFIX, SHOPS, Night, alert_of
from tests.web.rig import Wall

LATE_MINUTE = 239
MORE_THAN_A_PAGE = 150


def tell_many_late(night: Night) -> None:
    """More small alerts late in the night than a page of them has."""
    late = alert_of(SHOPS[2], LATE_MINUTE, 1, "info", 1.0)
    for number in range(MORE_THAN_A_PAGE):
        alert = {**late, "rule": f"other{number}", "alert_id": f"late{number}", "text_en": f"late {number}"}
        night.client.xadd(redis_layout.alerts(PREFIX), {"alert": json.dumps(alert)})


def go_to(wall: Wall, minute: int) -> None:
    """Move the replay's clock."""
    wall.until(lambda: wall.page.locator("#replay input").count() == 1, 30)
    wall.page.locator("#replay input").evaluate(
        "(slider, at) => { slider.value = at; slider.dispatchEvent(new Event('input')); }",
        OPENS_MS + minute * 60_000,
    )


def test_early_alerts_are_replayed_however_many_came_later(wall: Wall, night: Night) -> None:
    night.write(240)
    tell_many_late(night)
    wall.open("lang=en&replay=1")
    go_to(wall, 120)
    wall.until(lambda: "樂大嘴: the last hour sold" in wall.text("#alerts"))
    assert "late" not in wall.text("#alerts")
    go_to(wall, 240)
    wall.until(lambda: int(wall.text("#alerts-count b")) > MORE_THAN_A_PAGE)


def test_higher_step_takes_the_place_of_a_lower_one(wall: Wall, night: Night) -> None:
    night.write(240)
    for step, minute in ((1, 60), (5, 90)):
        alert = {**alert_of(SHOPS[0], minute, step, "critical", step), "text_en": f"passed {step}"}
        night.client.xadd(redis_layout.alerts(PREFIX), {"alert": json.dumps(alert)})
    wall.open("lang=en&replay=1")
    go_to(wall, 70)
    wall.until(lambda: "passed 1" in wall.text("#alerts"))
    go_to(wall, 100)
    wall.until(lambda: "passed 5" in wall.text("#alerts"))
    assert "passed 1" not in wall.text("#alerts")


def test_replay_asks_again_where_too_much_was_asked(wall: Wall, night: Night) -> None:
    night.write(240)
    wall.expected = ("429",)
    refused: list[str] = []

    def refuse_once(route: Route, request: Request) -> None:
        if request.url in refused:
            route.continue_()
            return
        refused.append(request.url)
        route.fulfill(status=429, headers={"retry-after": "0"}, body="{}")

    wall.page.route("**/api/v1/alerts?*", refuse_once)
    wall.page.route("**/api/v1/series/waipojia?*", refuse_once)
    wall.open("lang=en&replay=1")
    go_to(wall, 120)
    wall.until(lambda: wall.page.locator('#board li[data-key="waipojia"]').count() == 1)
    assert len(refused) == 2
