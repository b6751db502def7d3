"""The page over the real flow: from an order on the broker to the number on the wall."""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import Browser

from tests.web.night import EMOJI_NAME
from tests.web.rig import RealNight, Wall


def orders(first: int, count: int, amount: int) -> list[dict[str, Any]]:
    """Paid orders of three merchants, now."""
    now_ms = time.time_ns() // 1_000_000
    return [
        {
            "order_id": f"o{number}",
            "merchant_id": f"{EMOJI_NAME}" if number % 3 == 0 else f"m{number % 3}",
            "member_id": f"p{number}",
            "amount": amount,
            "status": "paid",
            "event_time": now_ms,
            "channel": "koubei",
        }
        for number in range(first, first + count)
    ]


def test_orders_on_the_broker_are_on_the_wall(browser: Browser) -> None:
    with RealNight() as night:
        wall = Wall(browser, night.web.origin)
        night.send(orders(0, 30, 1_234))
        wall.open("lang=en")
        wall.until(lambda: wall.value("#total") == 30 * 1_234, 60)
        for number in range(1, 4):
            night.send(orders(100 * number, 10, 1_000))
            expected = 30 * 1_234 + number * 10_000
            wall.until(lambda expected=expected: wall.value("#total") == expected, 15)  # type: ignore[misc]
        wall.until(lambda: wall.value('[data-fact="merchants"] dd') == 3)
        summary = night.web.get("/api/v1/summary").json
        assert summary["totals"]["gmv:day"] == 30 * 1_234 + 30_000
        assert wall.page.get_attribute("#fresh", "data-state") == "fresh"
        # The workers tell what they have not read: nothing.
        wall.until(lambda: wall.text("#lag b") == "0")
        wall.page.goto(f"{wall.origin}/?lang=en&merchant={EMOJI_NAME}")
        wall.until(lambda: wall.value('#merchant td[data-field="gmv:day"]') is not None)
        assert wall.value('#merchant td[data-field="orders:day"]') == 20
        wall.close()
