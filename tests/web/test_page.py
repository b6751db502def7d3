"""The wall page in a real browser, over a real server and a real Redis."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import redis
from playwright.sync_api import Browser, Dialog, Request, Route

from schemas import redis_layout
from tests.web.night import DAY_MINUTES, EMOJI_NAME, OPENS_MS, SCRIPT_NAME, SHOPS, Night
from tests.web.rig import SIZES, Wall, WebServer
from warroom.services import EmbeddedRedis

LEFT_OVER = re.compile(r"\{\w+\}|undefined|NaN|\[object")


def shown_yuan(fen: float) -> str:
    return f"¥{int(fen) // 100:,}"


def test_page_shows_what_redis_holds(wall: Wall, night: Night) -> None:
    night.write(760)
    total = night.fields("total", 760)
    wall.open("lang=zh-Hant")
    wall.until(lambda: wall.value("#total") == total["gmv:day"])
    assert wall.page.get_attribute("#total", "aria-label") == shown_yuan(total["gmv:day"])
    wall.until(lambda: wall.value('[data-fact="ordersToday"] dd') == total["orders:day"])
    assert wall.value('[data-fact="newMembersToday"] dd') == total["new_members:day"]
    best = sorted(SHOPS, key=lambda s: -night.fields(s.merchant_id, 760)["sales_multiple:1h"])
    rows = wall.page.locator("#board li")
    assert [row.get_attribute("data-key") for row in rows.all()] == [s.merchant_id for s in best[:10]]
    assert wall.value(f'#board li[data-key="{best[0].merchant_id}"] .multiple') == pytest.approx(
        night.fields(best[0].merchant_id, 760)["sales_multiple:1h"]
    )
    assert "koubei" in wall.text("#shares")
    assert "分後售罄" in wall.text("#stock")
    assert best[0].name in wall.text("#alerts")


def test_numbers_rise_while_orders_flow_and_equal_redis_within_an_update(wall: Wall, night: Night) -> None:
    night.write(760)
    wall.open()
    seen = []
    for minute in (761, 765, 800):
        night.write(minute)
        wanted = night.fields("total", minute)["gmv:day"]
        # The server looks ten times a second: a few of these, on a busy machine, and it must be there.
        wall.until(lambda wanted=wanted: wall.value("#total") == wanted, 3)  # type: ignore[misc]
        seen.append(wanted)
    assert seen == sorted(set(seen))
    assert wall.text("#clock") == "13:20:04"


def test_all_three_languages_leave_nothing_untold(wall: Wall, night: Night) -> None:
    night.write(760)
    wall.open("lang=zh-Hant")
    for language, title, said in (
        ("zh-Hant", "戰情室", "今日成交額"),
        ("zh-Hans", "战情室", "今日成交额"),
        ("en", "WAR ROOM", "Sales today"),
    ):
        wall.until(lambda language=language: wall.page.evaluate("document.documentElement.lang") == language)  # type: ignore[misc]
        wall.until(lambda said=said: said in wall.text())  # type: ignore[misc]
        assert wall.text("h1") == title
        assert not LEFT_OVER.search(wall.text())
        wall.page.click("#lang")


def test_every_language_has_every_word(wall: Wall, night: Night) -> None:
    night.write(1)
    wall.open()
    keys = wall.page.evaluate(
        """async () => (await import("/static/js/words.js")).LANGUAGES.map(async (language) => {
            const words = await import("/static/js/words.js");
            return words.known(language);
        }).reduce(async (all, one) => [...(await all), await one], [])"""
    )
    assert len(keys) == 3
    assert keys[0] == keys[1] == keys[2]


@pytest.mark.parametrize("query", ["lang=en", "lang=en&merchant=script", "lang=en&merchant=emoji"])
def test_names_are_text_never_markup(wall: Wall, night: Night, query: str) -> None:

    def refuse(dialog: Dialog) -> None:
        wall.wrong.append(f"a dialog opened: {dialog.message}")
        dialog.dismiss()

    night.write(DAY_MINUTES - 180)
    wall.page.on("dialog", refuse)
    wall.open(query)
    wall.until(lambda: SCRIPT_NAME in wall.text() or EMOJI_NAME in wall.text())
    assert len(EMOJI_NAME.encode()) == 128
    assert wall.page.locator("body script").count() == 0
    overflow = wall.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0


def test_streamer_mode_leaves_no_amount_on_the_page(wall: Wall, night: Night) -> None:
    night.write(760)
    wall.open("lang=zh-Hant")
    wall.until(lambda: "¥" in wall.text())
    total = night.fields("total", 760)
    wall.page.keyboard.press("s")
    wall.until(lambda: wall.value("#total") == pytest.approx(total["sales_multiple:day"]))
    html = wall.page.inner_html("body")
    assert "¥" not in html
    for hidden in ("gmv:day", "orders:day", "new_members:day"):
        assert str(total[hidden]) not in html
        assert f"{int(total[hidden]):,}" not in html
    assert "萬" not in wall.text()
    wall.page.click("#board li button >> nth=0")
    wall.until(lambda: wall.page.locator("#merchant table").count() > 0)
    assert "¥" not in wall.page.inner_html("#merchant")


def test_merchant_has_a_page_of_its_own(wall: Wall, night: Night) -> None:
    night.write(800)
    wall.open("lang=zh-Hant")
    wall.until(lambda: wall.page.locator("#board li").count() == 10)
    wall.page.keyboard.press("1")
    wall.until(lambda: wall.page.locator("#merchant td[data-field]").count() > 0)
    fields = night.fields("waipojia", 800)
    assert wall.text("#merchant h1") == "外婆家"
    for name in ("sales_multiple:1h", "gmv:day", "new_members:12h", "orders:5m"):
        assert wall.value(f'#merchant td[data-field="{name}"]') == pytest.approx(fields[name])
    assert "瀏覽的 16.7%" in wall.text("#merchant .funnel")
    assert "外婆家" in wall.text("#merchant .its-alerts")
    night.write(801)
    wanted = night.fields("waipojia", 801)["gmv:day"]
    wall.until(lambda: wall.value('#merchant td[data-field="gmv:day"]') == wanted)
    wall.page.go_back()
    wall.until(lambda: wall.page.locator("#merchant").is_hidden())
    wall.page.goto(f"{wall.origin}/?lang=en&merchant=nobody")
    wall.expected = ("404",)
    wall.until(lambda: "no results for the merchant nobody" in wall.text("#merchant"))
    wall.page.keyboard.press("Escape")
    wall.until(lambda: wall.page.locator("#merchant").is_hidden())


def test_page_works_by_keyboard_alone(wall: Wall, night: Night) -> None:
    night.write(760)
    wall.open("lang=en")
    wall.page.keyboard.press("w")
    assert wall.page.locator("#board-tabs [aria-selected=true]").inner_text() == "12h"
    wall.page.keyboard.press("c")
    assert wall.page.locator("#chart-tabs [aria-selected=true]").inner_text() == "summed"
    wall.page.keyboard.press("?")
    assert "streamer mode" in wall.text("#help")
    wall.page.keyboard.press("Escape")
    wall.until(lambda: wall.page.locator("#help").is_hidden())
    wall.page.locator("#board li button").first.focus()
    wall.page.keyboard.press("Enter")
    wall.until(lambda: wall.page.locator("#merchant").is_visible())


def test_data_that_is_old_looks_old(wall: Wall, night: Night) -> None:
    night.write(760)
    wall.open("lang=zh-Hant")
    wall.until(lambda: wall.page.get_attribute("#fresh", "data-state") == "old")
    assert "沒有更新" in wall.text("#notice")
    assert wall.page.get_attribute("body", "data-old") == "true"
    night.write(761)
    wall.until(
        lambda: (
            wall.page.get_attribute("#fresh", "data-state") == "fresh"
            and wall.page.locator("#notice").is_hidden()
        )
    )


def test_night_without_clicks_channels_stock_or_alerts_still_shows(wall: Wall, night: Night) -> None:
    night.write(60)
    client, prefix = night.client, redis_layout.DEFAULT_PREFIX
    for key in client.scan_iter(f"{prefix}*"):
        name = key.decode()
        if any(part in name for part in ("alerts", "rollups:", "new_member", "ordinary")):
            client.delete(key)
    for shop in SHOPS:
        client.hdel(redis_layout.merchant(prefix, shop.merchant_id), "low_stock", "new_members:day")
    wall.open("lang=en")
    wall.until(lambda: "no clicks yet" in wall.text())
    for words in ("no channels yet", "no stock data yet", "no alerts now"):
        assert words in wall.text()
    wall.until(lambda: wall.value("#total") == night.fields("total", 60)["gmv:day"])
    assert not LEFT_OVER.search(wall.text())


def test_empty_redis_waits_for_data(wall: Wall, night: Night) -> None:
    wall.open("lang=en")
    wall.until(lambda: "waiting for data" in wall.text(".vitals"))
    assert not LEFT_OVER.search(wall.text())


def test_new_milestone_gets_its_moment(wall: Wall, night: Night) -> None:
    def hour(minute: int) -> float:
        return night.sums("waipojia", minute, 60)[1] / night.day_fen["waipojia"]

    passes_ten = next(m for m in range(700, DAY_MINUTES) if hour(m) >= 10)
    night.write(passes_ten - 1)
    wall.open("lang=en")
    wall.until(lambda: wall.page.locator("#alerts li").count() > 0)
    assert wall.page.locator("#moment").is_hidden()
    night.write(passes_ten)
    wall.until(lambda: wall.page.locator("#moment").is_visible())
    assert f"{hour(passes_ten):.1f} ×" in wall.text("#moment")


def test_night_is_replayed_from_the_series(wall: Wall, night: Night) -> None:
    night.write(240)
    wall.open("lang=en&replay=3600")
    wall.until(lambda: wall.page.locator("#replay input").count() == 1)
    sums = [night.sums("total", m, DAY_MINUTES)[1] for m in range(241)]
    for wanted in (60, 200):
        wall.page.locator("#replay input").evaluate(
            "(slider, at) => { slider.value = at; slider.dispatchEvent(new Event('input')); }",
            OPENS_MS + wanted * 60_000,
        )
        # It runs on while it is read: what a minute at or after the asked one had.
        wall.until(lambda wanted=wanted: (wall.value("#total") or 0) in sums[wanted:])  # type: ignore[misc]
    assert "Back to live" in wall.text("#replay")


def test_redis_away_and_back(browser: Browser) -> None:
    with EmbeddedRedis() as own:
        client = redis.Redis.from_url(own.url)
        Night(client).write(500)
        client.close()
        server = WebServer(own.url, environment={"WARROOM_WEB__REFRESH_MS": "100"})
        server.start()
        wall = Wall(browser, server.origin).open("lang=zh-Hant")
        own.kill()
        wall.until(lambda: "Redis 沒有回應" in wall.text("#notice"))
        assert wall.page.get_attribute("body", "data-old") == "true"
        with EmbeddedRedis(own.port) as again:
            client = redis.Redis.from_url(again.url)
            night = Night(client)
            night.write(501)
            wanted = night.fields("total", 501)["gmv:day"]
            wall.until(lambda: wall.value("#total") == wanted and wall.page.locator("#notice").is_hidden())
            # The page's server starts again, at the same place.
            assert server.stop() == 0
            wall.expected = (
                "ERR_CONNECTION_REFUSED",
                "ERR_INCOMPLETE_CHUNKED_ENCODING",
                "ERR_CONNECTION_RESET",
            )
            wall.until(lambda: "重新連線" in wall.text("#notice"))
            server.start()
            night.write(502)
            wanted = night.fields("total", 502)["gmv:day"]
            wall.until(lambda: wall.value("#total") == wanted and wall.page.locator("#notice").is_hidden())
            client.close()
        wall.close()
        assert server.stop() == 0


def test_tabs_of_a_browser_share_one_stream(browser: Browser, web: WebServer, night: Night) -> None:
    night.write(760)
    wall = Wall(browser, web.origin, (480, 320)).open("lang=en")
    # A browser opens six connections to a host: with a stream each, the seventh would hang.
    pages = [wall.context.new_page() for _ in range(7)]
    for page in pages:
        page.goto(f"{wall.origin}/?lang=en")
        page.wait_for_selector("#total[data-value]")
    night.write(761)
    wanted = str(night.fields("total", 761)["gmv:day"])
    for page in pages:
        page.wait_for_selector(f'#total[data-value="{wanted}"]')
    assert [page.get_attribute("#total", "data-value") for page in pages] == [wanted] * 7
    wall.close()


def test_page_of_other_code_loads_itself_again_once(wall: Wall, night: Night) -> None:
    night.write(760)
    loads: list[str] = []

    def older(route: Route, request: Request) -> None:
        loads.append(request.url)
        answer = route.fetch()
        body = answer.text()
        if len(loads) == 1:
            body = re.sub(r'(warroom-code" content=")\w+', r"\1older", body)
        route.fulfill(response=answer, body=body)

    wall.page.route(re.compile(r"/\?lang=en$"), older)
    wall.page.goto(f"{wall.origin}/?lang=en")
    wall.until(lambda: len(loads) == 2)
    wall.until(lambda: wall.value("#total") is not None)
    assert len(loads) == 2


@pytest.mark.parametrize("size", SIZES)
def test_page_fits_the_screen(
    browser: Browser, web: WebServer, night: Night, tmp_path: Path, size: str
) -> None:
    night.write(DAY_MINUTES - 220)
    wall = Wall(browser, web.origin, SIZES[size]).open("lang=zh-Hant")
    wall.until(lambda: wall.page.locator("#board li").count() == 10)
    width, height = SIZES[size]
    over = wall.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert over[0] <= width
    assert size == "phone" or over[1] <= height
    cut = wall.page.evaluate(
        """() => [...document.querySelectorAll(".total, .facts, .times, .multiple, .clock, .vital b")]
            .filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth)
            .map((e) => e.className + e.id)"""
    )
    assert cut == []
    picture = tmp_path / f"{size}.png"
    wall.page.screenshot(path=picture)
    assert picture.stat().st_size > 20_000
    wall.close()
