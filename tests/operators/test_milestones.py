"""Milestones are decided on closed minutes, once each, and stand in Redis once each."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from operators.batches import AlertNews, Progress, Standing
from operators.decode import raw_batch
from operators.delta import ShardBaselines
from operators.milestones import TOLD_A_MINUTE, levels
from operators.shard import Shard
from operators.shard_store import ShardStore
from operators.state_files import RebaseTurns
from operators.tally import shard_of_merchant
from schemas.alerts import Alert
from schemas.windows import DAY_MS, HOUR_MS, MINUTE_MS
from tests.operators.night import DAY_START_MS, STAMP_MS, WarRoom, click, encoded, flat_baseline, order, rules
from tests.operators.redis_rig import Reader, publishing, rows, write

NOON_MS = DAY_START_MS + 12 * HOUR_MS
BASELINE = flat_baseline("m1", gmv=1000.0)


def room(**fields: int) -> WarRoom:
    return WarRoom(rules(**fields))


def sells(night: WarRoom, *sales: tuple[int, int], merchant: str = "m1") -> None:
    """Sales of one merchant as (event time, amount in fen), each a batch of its own."""
    for at_ms, amount in sales:
        number = night.offsets["orders/0"]
        night.send(0, [encoded(order(number, merchant, at_ms, amount=amount))])


def told(night: WarRoom) -> list[Alert]:
    """What has been told and not been asked for yet, in the order of time."""
    news = [shard.milestones.take_news() for shard in night.shards]
    return sorted((a for n in news for a in n.told), key=lambda a: (a.bucket_end_ms, a.alert_id))


def summary(alerts: Iterable[Alert]) -> list[tuple[str, float, int]]:
    """Rule, step and minute (since noon) of alerts."""
    return [(a.rule, a.threshold, (a.bucket_end_ms - NOON_MS) // MINUTE_MS) for a in alerts]


def test_steps_are_reached_at_their_own_value_and_absent_multiples_reach_none() -> None:
    given = np.array([np.nan, 0.0, 0.999, 1.0, 4.9, 5.0, 10.0, 49.0, 57.0, 1e9])
    assert levels(given).tolist() == [0, 0, 0, 1, 1, 2, 3, 3, 4, 5]


def test_a_step_is_told_at_the_end_of_the_minute_that_reached_it() -> None:
    night = room()
    night.know(BASELINE)
    sells(night, (NOON_MS, 999), (NOON_MS + MINUTE_MS, 1), (NOON_MS + 3 * MINUTE_MS, 1))
    found = told(night)
    assert summary(found) == [("sales_multiple_1h", 1.0, 2), ("sales_multiple_day", 1.0, 2)]
    assert found[0].alert_id == f"sales_multiple_1h|m1|{NOON_MS + 2 * MINUTE_MS}"
    assert found[0].text_zh == "M1 一小時業績達平常一整天的 1.0 倍，越過 1 倍（12:02）"
    assert found[1].text_en == "M1: today's sales reached 1.0 × an ordinary day's, past 1 × (12:02)"


def test_an_open_minute_tells_nothing() -> None:
    night = room()
    night.know(BASELINE)
    sells(night, (NOON_MS, 60_000), (NOON_MS + 59_000, 60_000))
    assert told(night) == []


def test_of_several_steps_in_one_minute_the_highest_is_told() -> None:
    night = room()
    night.know(BASELINE)
    sells(night, (NOON_MS, 57_000))
    night.end()
    assert summary(told(night)) == [("sales_multiple_1h", 50.0, 1), ("sales_multiple_day", 50.0, 1)]


def test_a_step_that_is_left_and_reached_again_on_the_same_day_is_told_once() -> None:
    night = room()
    night.know(BASELINE)
    sells(night, (NOON_MS, 1000), (NOON_MS + 2 * HOUR_MS, 1000))
    night.end()
    assert [s for s in summary(told(night)) if s[0] == "sales_multiple_1h"] == [("sales_multiple_1h", 1.0, 1)]


def test_a_new_day_may_tell_a_step_again_but_not_one_that_still_holds() -> None:
    night = room()
    night.know(BASELINE)
    midnight_ms = DAY_START_MS + DAY_MS
    sells(night, (midnight_ms - MINUTE_MS, 1000), (midnight_ms + MINUTE_MS, 1000))
    sells(night, (midnight_ms + 3 * HOUR_MS, 1000))
    night.end()
    rules_told = [(a.rule, a.bucket_end_ms - midnight_ms) for a in told(night)]
    assert rules_told == [
        ("sales_multiple_1h", 0),
        ("sales_multiple_day", 0),
        ("sales_multiple_day", 2 * MINUTE_MS),
    ]


def test_without_a_baseline_or_with_few_orders_nothing_is_told() -> None:
    night = WarRoom(rules(milestone_min_orders=3))
    night.know(flat_baseline("few", gmv=1.0), flat_baseline("enough", gmv=1.0))
    sells(night, (NOON_MS, 500), (NOON_MS, 500), (NOON_MS, 500), merchant="unknown")
    sells(night, (NOON_MS, 500), (NOON_MS, 500), merchant="few")
    sells(night, (NOON_MS, 500), (NOON_MS, 500), (NOON_MS, 500), merchant="enough")
    night.end()
    assert {a.subject for a in told(night)} == {"enough"}


@pytest.mark.parametrize("resumes", [False, True])
def test_an_alert_on_the_hour_ends_when_the_closed_hour_falls_below_its_step(resumes: bool) -> None:
    night = room()
    night.know(BASELINE)
    number = shard_of_merchant("m1")
    sells(night, (NOON_MS, 1000), (NOON_MS + 30 * MINUTE_MS, 1))
    held = [a for a in night.shards[number].milestones.active.values() if a.rule == "sales_multiple_1h"]
    assert len(held) == 1
    if resumes:
        night.shards[number] = Shard.load(night.shards[number].dump(), night.shard_rules)
    shard = night.shards[number]
    shard.milestones.take_news()
    sells(night, (NOON_MS + 62 * MINUTE_MS, 1))
    assert shard.milestones.take_news().ended == [held[0].alert_id]


def test_a_higher_step_takes_the_place_of_the_lower_one() -> None:
    night = room()
    night.know(BASELINE)
    sells(night, (NOON_MS, 1000), (NOON_MS + 5 * MINUTE_MS, 9000))
    night.end()
    active = night.shards[shard_of_merchant("m1")].milestones.active.values()
    assert sorted((a.rule, a.threshold) for a in active) == [
        ("sales_multiple_1h", 10.0),
        ("sales_multiple_day", 10.0),
    ]


def joins(night: WarRoom, count: int, at_ms: int, first: int = 0) -> None:
    """So many visitors join one merchant, all in one minute."""
    events = [
        click(first + i, "m1", at_ms + i, action="join", visitor_id=f"v{first + i}") for i in range(count)
    ]
    night.send_clicks(0, [encoded(e) for e in events])


def test_the_hundredth_new_member_of_a_day_is_told_once_a_day_also_without_a_baseline() -> None:
    night = WarRoom(rules(click_partitions=1))
    joins(night, 99, NOON_MS)
    joins(night, 2, NOON_MS + MINUTE_MS, first=99)
    joins(night, 50, NOON_MS + 5 * MINUTE_MS, first=101)
    joins(night, 100, NOON_MS + DAY_MS, first=500)
    night.end()
    found = told(night)
    assert summary(found) == [
        ("new_members_100", 100.0, 2),
        ("new_members_100", 100.0, DAY_MS // MINUTE_MS + 1),
    ]
    assert found[0].value == 101
    assert found[0].text_zh == "m1 今日新會員滿 100 人（12:02）"


def test_of_too_many_in_one_minute_the_highest_are_told_and_the_others_counted() -> None:
    night = room()
    names = [n for n in (f"m{i}" for i in range(3000)) if shard_of_merchant(n) == 0][:60]
    night.know(*(flat_baseline(name, gmv=1000.0) for name in names))
    night.send(0, [encoded(order(i, name, NOON_MS, amount=1000)) for i, name in enumerate(names[:-1])])
    sells(night, (NOON_MS, 100_000), merchant=names[-1])
    night.end()
    found = told(night)
    assert len(found) == TOLD_A_MINUTE
    assert {a.threshold for a in found if a.subject == names[-1]} == {100.0}
    assert night.shards[0].milestones.suppressed == 2 * len(names) - TOLD_A_MINUTE


@pytest.mark.parametrize("seed", range(3))
def test_every_interleaving_and_batch_size_tells_the_same(seed: int) -> None:
    baseline = random.Random(0)
    events = [
        order(i, f"m{baseline.randrange(6)}", NOON_MS + baseline.randrange(3 * HOUR_MS), amount=400)
        for i in range(400)
    ]
    events.sort(key=lambda e: e["event_time"])

    def play(chance: random.Random) -> list[Alert]:
        night = WarRoom(rules(partitions=2))
        night.know(*(flat_baseline(f"m{i}", gmv=1000.0 * (1 + i)) for i in range(6)))
        waiting = [events[0::2], events[1::2]]
        while any(waiting):
            at = min((p for p in (0, 1) if waiting[p]), key=lambda p: waiting[p][0]["event_time"])
            if chance.random() < 0.3 and waiting[1 - at]:
                at = 1 - at
            size = chance.randrange(1, 12)
            night.send(at, [encoded(e) for e in waiting[at][:size]])
            del waiting[at][:size]
        night.end()
        return told(night)

    expected = play(random.Random(1000))
    assert len(expected) > 10
    assert play(random.Random(seed)) == expected


def test_a_resumed_shard_hands_out_again_what_it_told_but_counts_it_no_more(tmp_path: Path) -> None:
    night = room()
    number = shard_of_merchant("m1")
    shard, store = night.shards[number], ShardStore(tmp_path, number, "1-a", RebaseTurns())
    known = ShardBaselines(number, Progress("baselines", 0, 1, -1, Standing.LIVE), [("m1", BASELINE)])
    shard.take_baselines(known)
    store.note_baselines(known)
    for i, (at_ms, amount) in enumerate(((NOON_MS, 6000), (NOON_MS + 2 * MINUTE_MS, 1))):
        event = encoded(order(i, "m1", at_ms, amount=amount))
        delta = night.lanes[0].take(raw_batch("orders", 0, i, [event], STAMP_MS)).to_shards[number][1]
        shard.take(delta)
        store.note(delta, closed_a_minute=True)
    first = shard.milestones.take_news()
    assert [a.threshold for a in first.fresh] == [5.0, 5.0]
    ref = store.save(shard, 0)
    again = ShardStore(tmp_path, number, "2-b", RebaseTurns()).load(ref, night.shard_rules).milestones
    news_again = again.take_news()
    assert (news_again.told, news_again.active, news_again.fresh) == (first.told, first.told, [])


def alert(number: int, value: float = 5.0) -> Alert:
    return Alert(f"rule|m{number}|60000", "rule", f"m{number}", "info", 60_000, value, 5.0, "中", "en")


def news(*alerts: Alert, ended: Iterable[str] = ()) -> AlertNews:
    return AlertNews(list(alerts), list(alerts), list(ended), list(alerts))


def test_an_alert_that_is_offered_again_stands_in_the_stream_once(redis_url: str) -> None:
    for run in (1, 2):
        with publishing(redis_url, run=run) as publisher:
            offer = rows("m1", offset=run)
            offer.alerts = news(alert(1), alert(2))
            write(publisher, offer)
    client = Reader(redis_url).client
    entries = [msgspec.json.decode(e["alert"], type=Alert) for _, e in client.xrange("warroom:alerts")]
    assert entries == [alert(1), alert(2)]
    assert client.hkeys("warroom:alerts:active") == [alert(1).alert_id, alert(2).alert_id]


def test_an_alert_that_has_ended_is_active_no_more(redis_url: str) -> None:
    with publishing(redis_url) as publisher:
        offer = rows("m1")
        offer.alerts = news(alert(1), alert(2))
        write(publisher, offer)
        offer.alerts = news(ended=[alert(1).alert_id])
        write(publisher, offer)
    assert Reader(redis_url).client.hkeys("warroom:alerts:active") == [alert(2).alert_id]


def test_alerts_of_a_shard_that_is_behind_what_redis_shows_wait(redis_url: str) -> None:
    with publishing(redis_url, run=1) as publisher:
        write(publisher, rows("m1", offset=10))
    with publishing(redis_url, run=2) as publisher:
        offer = rows("m1", offset=5)
        offer.alerts = news(alert(1))
        publisher.offer(offer)
        assert publisher.flush(10.0)
        assert Reader(redis_url).client.xlen("warroom:alerts") == 0
        offer = rows("m1", offset=10)
        write(publisher, offer)
        assert Reader(redis_url).client.xlen("warroom:alerts") == 1
