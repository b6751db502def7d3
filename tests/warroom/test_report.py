"""Reading results and telling them: the battle report, from a Redis that was written by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import pytest
import redis
from rich.cells import cell_len

from warroom.errors import WarroomError
from warroom.phrases import LANGUAGES, Language
from warroom.reader import Clock, ResultsReader
from warroom.report import Asked, BattleReport, battle_report
from warroom.report_text import WIDTH, hour_ending, report_text, times, yuan

OPENS_MS = 1_576_080_000_000  # 2019-12-12T00:00:00+08:00
HOUR_MS = 3_600_000
NOON_MS = OPENS_MS + 12 * HOUR_MS
ASKED = Asked(watched=("waipojia", "quiet"), sale_opens_ms=OPENS_MS)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    connection = redis.Redis.from_url(redis_url)
    yield connection
    connection.close()


@pytest.fixture
def reader(redis_url: str) -> Iterator[ResultsReader]:
    results = ResultsReader(redis_url, "warroom:")
    yield results
    results.close()


def write_night(client: redis.Redis) -> None:
    """外婆家 sold 57 times its day from 12 to 13 o'clock; a quiet merchant has no baseline."""
    client.hset(
        "warroom:meta",
        mapping={
            "run": "3",
            "watermark": str(NOON_MS + HOUR_MS),
            "event_time": str(NOON_MS + HOUR_MS + 5_000),
            "updated_at": "1700000000000",
            "merchants": "2",
            "merchants_without_baseline": "1",
        },
    )
    client.hset(
        "warroom:rollup:total:all",
        mapping={"orders:sale": "34020", "units:sale": "40000", "gmv:sale": "283400100", "refunds:sale": "99",
                 "sales_multiple:sale": "141.7", "late": "7"},
    )  # fmt: skip
    client.hset(
        "warroom:merchant:waipojia",
        mapping={
            "name": "外婆家",
            "orders:sale": "34008",
            "gmv:sale": "283400000",
            "refunds:sale": "99",
            "orders:1h": "13680",
            "gmv:1h": "114000000",
            "sales_multiple:1h": "57",
            "sales_multiple:sale": "141.7",
            "peak_sales_multiple:1h": "57",
            "peak_sales_multiple_at:1h": str(NOON_MS + HOUR_MS),
            "same_period_multiple_at_peak:1h": "316.666667",
            "baseline_gmv": "2000000",
            "event_time": "1576126800000",
            "updated_at": "1700000000000",
        },
    )
    client.hset(
        "warroom:merchant:quiet",
        mapping={"orders:sale": "12", "gmv:sale": "100", "event_time": "1", "updated_at": "1"},
    )
    point = [1, 2, 3, 4, 59_400_000, 6, 7]
    client.hset("warroom:series:waipojia", str(NOON_MS - 60_000), json.dumps(point))


def test_report_tells_the_peak_the_same_period_and_the_first_twelve_hours(
    client: redis.Redis, reader: ResultsReader
) -> None:
    write_night(client)
    story = battle_report(reader, ASKED).watched[0]
    assert (story.name, story.orders, story.gmv_fen) == ("外婆家", 34_008, 283_400_000)
    assert (story.peak_multiple, story.peak_at_ms) == (57.0, NOON_MS + HOUR_MS)
    assert story.peak_same_period_multiple == 316.666667
    assert story.sale_12h_multiple == 29.7  # 59,400,000 fen ÷ 2,000,000 fen


def test_first_twelve_hours_are_not_told_before_they_are_over(
    client: redis.Redis, reader: ResultsReader
) -> None:
    write_night(client)
    client.delete("warroom:series:waipojia")
    assert battle_report(reader, ASKED).watched[0].sale_12h_multiple is None


def test_merchant_without_a_baseline_has_no_multiples_and_no_name(
    client: redis.Redis, reader: ResultsReader
) -> None:
    write_night(client)
    story = battle_report(reader, ASKED).watched[1]
    assert (story.name, story.orders) == ("quiet", 12)
    assert (story.peak_multiple, story.sales_multiple, story.sale_12h_multiple) == (None, None, None)


def test_leaders_are_ordered_by_their_peak_and_need_enough_orders(
    client: redis.Redis, reader: ResultsReader
) -> None:
    for merchant_id, peak, orders in (("a", "2.5", 10), ("b", "30", 9), ("c", "11", 500), ("d", "2.5", 10)):
        key = f"warroom:merchant:{merchant_id}"
        client.hset(key, mapping={"peak_sales_multiple:1h": peak, "orders:day": str(orders)})
    best = reader.best_peaks(3, least_orders=10, window="day")
    assert [m.result.merchant_id for m in best] == ["c", "a", "d"]


def test_report_without_an_opening_sums_up_the_day(client: redis.Redis, reader: ResultsReader) -> None:
    client.hset("warroom:rollup:total:all", mapping={"orders:day": "5", "orders:sale": "9"})
    report = battle_report(reader, Asked())
    assert (report.window, report.orders) == ("day", 5)


def test_merchants_of_a_prefix_with_special_characters_are_found(client: redis.Redis, redis_url: str) -> None:
    client.hset("a[1]*:merchant:x:y", "orders:day", "1")
    client.hset("a1b:merchant:z", "orders:day", "1")
    odd = ResultsReader(redis_url, "a[1]*:")
    assert list(odd.merchant_ids()) == ["x:y"]
    odd.close()


def test_clock_of_an_empty_redis_has_nothing(reader: ResultsReader) -> None:
    assert reader.clock() == Clock()


def test_redis_that_is_away_is_named_without_its_password() -> None:
    reader = ResultsReader("redis://:s3same@127.0.0.1:1/0", "warroom:")
    with pytest.raises(WarroomError) as caught:
        reader.clock()
    message = "Redis at redis://:********@127.0.0.1:1/0 does not answer; is it running?"
    assert str(caught.value) == message


@pytest.fixture
def night(client: redis.Redis, reader: ResultsReader) -> BattleReport:
    write_night(client)
    return battle_report(reader, ASKED)


def test_chinese_report_tells_the_story_as_the_article_did(night: BattleReport) -> None:
    text = report_text(night, "zh")
    assert "2019-12-12 00:00 開賣，統計至 12-12 13:00:05（Asia/Shanghai）" in text
    assert "  外婆家      12:00–13:00 這一小時，業績是平常一整天的 57.0 倍\n" in text
    assert "比過去同時段成長 31,567%，是同期的 316.67 倍\n" in text
    assert "開賣 12 小時，業績是平常一天的 29.7 倍\n" in text
    assert "訂單 34,008 筆，成交 ¥2,834,000.00，全程是平常一天的 141.7 倍\n" in text
    assert "沒有基準的商家 1 家，不計倍數" in text


def test_english_report_tells_the_same(night: BattleReport) -> None:
    text = report_text(night, "en")
    assert "from 12:00–13:00 it sold 57.0 times its ordinary day\n" in text
    assert "12 hours after sales opened: 29.7 times its ordinary day\n" in text
    assert "34,008 orders, ¥2,834,000.00, 141.7 times its ordinary day in all\n" in text


def test_joining_is_told_as_the_article_did(client: redis.Redis, reader: ResultsReader) -> None:
    client.hset("warroom:meta", mapping={"event_time": str(NOON_MS), "merchants": "1"})
    client.hset(
        "warroom:merchant:meili",
        mapping={"name": "美儷家族", "new_members:day": "367", "new_member_multiple:day": "22.002398",
                 "views:day": "5200", "private_traffic_share:day": "0.6254",
                 "hours_to_100_new_members": "9.75", "baseline_new_members": "16.68",
                 "baseline_hours_to_100_new_members": "143.884892", "event_time": "1", "updated_at": "1"},
    )  # fmt: skip
    client.hset(
        "warroom:rollup:total:all",
        mapping={"views:day": "5200", "new_members:day": "367", "private_traffic_share:day": "0.6254"},
    )
    told = battle_report(reader, Asked(watched=["meili"]))
    chinese = report_text(told, "zh")
    assert "  當日新增會員 367 人，是平常一天的 22.0 倍\n" in chinese
    assert "  滿 100 人用了 9.8 小時，平常要 6.0 天\n" in chinese
    assert "瀏覽 5,200 次，其中 62.5% 來自自己的管道\n" in chinese
    assert "  瀏覽 5,200   新會員 367   自有流量 62.5%\n" in chinese
    english = report_text(told, "en")
    assert "367 new members today, 22.0 times an ordinary day\n" in english
    assert "the first 100 took 9.8 hours, ordinarily 6.0 days\n" in english


def test_hours_to_the_first_hundred_are_those_of_the_window_that_is_reported(
    client: redis.Redis, reader: ResultsReader
) -> None:
    client.hset("warroom:merchant:m", "hours_to_100_new_members", "9.75")
    client.hset("warroom:merchant:m", "hours_to_100_new_members:sale", "4.5")
    stories = [battle_report(reader, asked).watched[0] for asked in (Asked(["m"]), Asked(["m"], OPENS_MS))]
    assert [s.hours_to_100_new_members for s in stories] == [9.75, 4.5]


def test_merchant_without_clicks_has_no_passage_about_them(night: BattleReport) -> None:
    assert "會員" not in report_text(night, "zh")


@pytest.mark.parametrize("language", LANGUAGES)
def test_report_fits_eighty_cells(night: BattleReport, language: Language) -> None:
    leader = msgspec.structs.replace(
        night.leaders[0],
        name="一個名字非常非常非常非常長的商家旗艦店",
        orders=99_999_999,
        peak_multiple=1234.5,
        new_members=1_234_567,
        new_member_multiple=12_345.6,
        hours_to_100_new_members=0.1,
        ordinary_hours_to_100_new_members=99_999.0,
        views=999_999_999,
        private_traffic_share=0.5,
    )
    wide = msgspec.structs.replace(night, leaders=[leader], watched=[leader], views=10**9, new_members=10**7)
    lines = report_text(wide, language).splitlines()
    assert max(cell_len(line) for line in lines) <= WIDTH


def test_columns_of_the_leaderboard_line_up_whatever_the_names(night: BattleReport) -> None:
    chinese = night.leaders[0]
    latin = msgspec.structs.replace(chinese, name="Grandma's")
    lines = report_text(msgspec.structs.replace(night, leaders=[chinese, latin]), "zh").splitlines()[-2:]
    assert cell_len(lines[0].partition("57.0")[0]) == cell_len(lines[1].partition("57.0")[0])


@pytest.mark.parametrize("language", LANGUAGES)
def test_report_of_an_empty_redis_says_so(reader: ResultsReader, language: Language) -> None:
    text = report_text(battle_report(reader, ASKED), language)
    assert {"zh": "還沒有結果", "en": "no results yet"}[language] in text


def test_report_as_json_has_exact_numbers(night: BattleReport) -> None:
    told = msgspec.json.decode(msgspec.json.encode(night))
    assert told["gmv_fen"] == 283_400_100
    assert told["watched"][0]["sale_12h_multiple"] == 29.7


def test_amounts_are_exact_to_the_fen() -> None:
    assert [yuan(fen) for fen in (0, 5, 123_456_789_012_345, -5)] == [
        "¥0.00",
        "¥0.05",
        "¥1,234,567,890,123.45",
        "-¥0.05",
    ]


def test_multiple_that_is_absent_is_a_dash() -> None:
    assert (times(None), times(0.0), times(2.7, 2)) == ("–", "0.0", "2.70")


def test_hour_is_told_in_the_time_of_the_place() -> None:
    assert hour_ending(NOON_MS + HOUR_MS, "Asia/Shanghai") == "12:00–13:00"
    assert hour_ending(OPENS_MS, "Asia/Shanghai") == "23:00–00:00"
