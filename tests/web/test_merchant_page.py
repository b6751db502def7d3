"""A merchant's own page in a real browser: new members over the ordinary day's pace, alerts that are over."""

from __future__ import annotations

import re

import pytest

from schemas import redis_layout
from tests.web.night import DAY_MINUTES, HOURS, PREFIX, Night
from tests.web.rig import SIZES, Wall

JOINS = "#merchant .joins canvas"
MEMBERS_A_DAY = 17.0
"""Of every shop's baseline."""


def label(wall: Wall) -> str:
    """What a screen reader says of the curve of new members."""
    return str(wall.page.get_attribute(JOINS, "aria-label") or "")


def usual_until(minute: int) -> float:
    """New members that an ordinary day has had by then."""
    return MEMBERS_A_DAY * sum(HOURS[m // 60] / 60 for m in range(minute)) / sum(HOURS)


def opened(wall: Wall, query: str) -> Wall:
    wall.open(query)
    wall.until(lambda: wall.page.locator("#merchant td[data-field]").count() > 0)
    return wall


def painted(wall: Wall, selector: str) -> str:
    """What a canvas shows, as a picture."""
    return str(wall.page.evaluate("s => document.querySelector(s).toDataURL()", selector))


def test_new_members_stand_over_the_ordinary_days_pace(wall: Wall, night: Night) -> None:
    night.write(800)
    opened(wall, "lang=en&merchant=meilijiazu")
    joined = night.sums("meilijiazu", 800, DAY_MINUTES)[2]
    wall.until(
        lambda: f"New members today: {joined}, ordinarily {usual_until(800):.1f} by now" == label(wall)
    )
    before = painted(wall, JOINS)
    night.write(1000)
    later = night.sums("meilijiazu", 1000, DAY_MINUTES)[2]
    wall.until(lambda: f"today: {later}," in label(wall), 15)
    assert painted(wall, JOINS) != before


@pytest.mark.parametrize(
    ("language", "title", "said", "earlier"),
    [
        ("zh-Hant", "新會員累計", "今日新會員累計：", "先前的警示"),
        ("zh-Hans", "新会员累计", "今日新会员累计：", "先前的告警"),
        ("en", "New members, summed", "New members today: ", "Earlier alerts"),
    ],
)
def test_every_language_has_curve_and_earlier_alerts(
    wall: Wall, night: Night, language: str, title: str, said: str, earlier: str
) -> None:
    night.write(800)
    night.client.delete(redis_layout.active_alerts(PREFIX))
    opened(wall, f"lang={language}&merchant=waipojia")
    wall.until(lambda: said in label(wall))
    assert wall.text("#merchant .joins h2") == title
    assert wall.text("#merchant .its-alerts h3") == earlier


def test_alerts_that_are_over_stand_below_those_that_hold(wall: Wall, night: Night) -> None:
    night.write(800)
    opened(wall, "lang=en&merchant=waipojia")
    held = wall.page.locator("#merchant .its-alerts ol").nth(0).locator("li")
    past = wall.page.locator("#merchant .past li")
    count = held.count()
    assert count > 2
    assert wall.page.locator("#merchant .its-alerts h3").is_hidden()
    name = str(held.last.get_attribute("data-key"))
    night.client.hdel(redis_layout.active_alerts(PREFIX), name)
    wall.until(lambda: past.count() == 1)
    assert past.first.get_attribute("data-key") == name
    assert held.count() == count - 1
    night.client.delete(redis_layout.active_alerts(PREFIX))
    wall.until(lambda: past.count() == count)
    assert "no alerts now" in wall.text("#merchant .its-alerts")


def test_streamer_mode_counts_new_members_in_ordinary_days(wall: Wall, night: Night) -> None:
    night.write(800)
    opened(wall, "lang=en&streamer=1&merchant=meilijiazu")
    joined = night.sums("meilijiazu", 800, DAY_MINUTES)[2]
    wall.until(lambda: f"today: {joined / MEMBERS_A_DAY:.1f}×, " in label(wall))
    assert not re.search(rf"\b{joined}\b", wall.page.inner_html("#merchant"))


def test_curve_of_new_members_is_read_by_keyboard(wall: Wall, night: Night) -> None:
    night.write(800)
    opened(wall, "lang=en&merchant=waipojia")
    wall.until(lambda: "New members today" in label(wall))
    plain = painted(wall, JOINS)
    wall.page.focus(JOINS)
    wall.page.keyboard.press("ArrowLeft")
    assert painted(wall, JOINS) != plain


def test_merchant_without_a_series_says_so(wall: Wall, night: Night) -> None:
    night.write(800)
    night.client.delete(redis_layout.series(PREFIX, "jiaoxia"), redis_layout.ordinary(PREFIX, "jiaoxia"))
    opened(wall, "lang=en&merchant=jiaoxia")
    wall.until(lambda: wall.text("#merchant .joins").count("only merchants that led or are watched") == 1)
    assert wall.page.locator(JOINS).is_hidden()


def test_leader_without_a_series_shows_its_peak(wall: Wall, night: Night) -> None:
    night.write(801)
    night.write(800)  # another run: what the server knows of other tests' series is worth nothing
    night.client.delete(redis_layout.series(PREFIX, "jiaoxia"))
    wall.open("lang=en&window=day")
    peak = float(night.client.hget(redis_layout.merchant(PREFIX, "jiaoxia"), redis_layout.PEAK))
    row = '#board li[data-key="jiaoxia"]'
    wall.until(lambda: f"peak {peak:.2f}×" in wall.text(row))
    assert wall.page.locator(f"{row} .spark").is_hidden()
    assert wall.page.locator('#board li[data-key="waipojia"] .peak').is_hidden()


def test_sentences_are_in_simplified_letters_but_for_the_name(wall: Wall, night: Night) -> None:
    night.write(800)
    wall.open("lang=zh-Hans")
    wall.until(lambda: "樂大嘴：最近一小时的业绩是平常一整天的" in wall.text("#alerts"))
    assert not re.search("[時業績過]", wall.text("#alerts"))


@pytest.mark.parametrize("size", SIZES)
def test_merchants_page_fits_the_screen(wall: Wall, night: Night, size: str) -> None:
    night.write(800)
    night.client.delete(redis_layout.active_alerts(PREFIX))
    wall.page.set_viewport_size({"width": SIZES[size][0], "height": SIZES[size][1]})
    opened(wall, "lang=en&merchant=waipojia")
    wide = wall.page.evaluate("document.getElementById('merchant').scrollWidth")
    assert wide <= SIZES[size][0]
    cut = wall.page.evaluate(
        """() => [...document.querySelectorAll("#merchant .tile, #merchant .funnel, #merchant .windows")]
            .filter((e) => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)
            .map((e) => e.className)"""
    )
    assert cut == [] or size == "phone"
