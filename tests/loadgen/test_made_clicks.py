"""What made clicks are like, read back from the bytes that are sent."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from functools import cache

import msgspec
import numpy as np
import pytest

from loadgen import scenario as scenarios
from loadgen.channels import CHANNELS, CITY_TIERS, MEAL_CHANNELS
from loadgen.errors import LoadgenError
from loadgen.facts import KINDS
from loadgen.keying import keyed_plan, partitions_of_ids
from loadgen.plan import Plan, make_plan
from loadgen.scenario import Clicks
from loadgen.stream import blocks
from schemas.events import FUTURE_TOLERANCE_MS, Click, Order, overlong
from schemas.windows import LATENESS_MS
from tests.loadgen.days import CLICKS, Sent, all_sent, parsed, plan_of, small_day
from tests.loadgen.test_scenarios import chi_square_is_plausible

MIDNIGHT_MS = 1_576_080_000_000
GOLDEN = "c2352192fa34097663c095ceea225e4374bbe682d704298e1e4241b689adaa90"


@cache
def plan() -> Plan:
    return plan_of(small_day(60_000))


@cache
def sent() -> list[Sent]:
    return all_sent(plan(), lane=CLICKS)


def click_of(one: Sent) -> Click | None:
    """The click, unless it is broken, invalid, late or from the future."""
    try:
        click = msgspec.json.decode(one.line, type=Click)
    except msgspec.DecodeError:
        return None
    if overlong(click.event_id, click.merchant_id, click.visitor_id):
        return None
    if click.event_time_ms > one.timestamp_ms + FUTURE_TOLERANCE_MS:
        return None
    return click if click.event_time_ms >= MIDNIGHT_MS else None


@cache
def clicks() -> list[tuple[Click, Sent]]:
    """Every usable click once, in the order of its partition."""
    seen: set[str] = set()
    once = []
    for one in sent():
        click = click_of(one)
        if click is not None and click.event_id not in seen:
            seen.add(click.event_id)
            once.append((click, one))
    return once


@cache
def orders() -> list[Order]:
    return [o for s in all_sent(plan()) if (o := parsed(s.line)) and o.status == "paid"]


def test_a_seed_gives_the_clicks_it_always_gave() -> None:
    digest = hashlib.sha256()
    for block in blocks(plan_of(small_day(5_000, hours=3))):
        for messages in (m for m in block.messages if m.lane == CLICKS):
            digest.update(messages.data.tobytes())
            digest.update(messages.timestamps_ms.tobytes())
    assert digest.hexdigest() == GOLDEN


def test_there_are_twice_as_many_clicks_as_orders() -> None:
    assert len(clicks()) == pytest.approx(2 * 60_000, rel=0.05)


def test_actions_have_the_rates_of_the_scenario() -> None:
    asked = plan().scenario.clicks
    assert asked is not None
    counts = Counter(click.action for click, _ in clicks() if click.merchant_id != "meilijiazu")
    firsts = {(c.merchant_id, c.visitor_id) for c, _ in clicks() if c.action == "join"}
    joined = sum(1 for merchant, _ in firsts if merchant != "meilijiazu")
    views = counts["view"]
    observed = np.array([counts["cart"], counts["favorite"], joined])
    expected = views * np.array([asked.cart_rate, asked.favorite_rate, asked.join_rate])
    assert np.abs(observed - expected).max() < 4 * np.sqrt(expected.max())


def test_most_buyers_looked_before_they_ordered() -> None:
    looked = defaultdict(list)
    for click, _ in clicks():
        if click.action == "view":
            looked[click.merchant_id, click.visitor_id].append(click.event_time_ms)
    before = sum(
        min(looked.get((o.merchant_id, o.member_id), [1 << 60])) <= o.event_time_ms for o in orders()
    )
    assert before / len(orders()) == pytest.approx(0.85, abs=0.01)


def test_channels_of_restaurants_are_drawn_in_their_sixteenths() -> None:
    counts = np.bincount(
        [CHANNELS.index(o.channel or "") for o in orders() if o.category == "hotpot"], minlength=len(CHANNELS)
    )
    expected = np.bincount(MEAL_CHANNELS, minlength=len(CHANNELS)) * counts.sum() / 16
    assert (counts[expected == 0] == 0).all()
    assert chi_square_is_plausible(counts[expected > 0], expected[expected > 0])


def test_people_live_in_towns_of_five_tiers_and_stay_there() -> None:
    towns = defaultdict(set)
    for click, _ in clicks():
        towns[click.visitor_id].add(click.city_tier)
    for order in orders():
        towns[order.member_id].add(order.city_tier)
    assert all(len(tiers) == 1 for tiers in towns.values())
    counts = np.bincount([next(iter(tiers)) or 0 for tiers in towns.values()], minlength=CITY_TIERS + 1)[1:]
    assert chi_square_is_plausible(counts, np.array([2, 3, 1, 1, 1]) * len(towns) / 8)


def test_sources_are_named_but_for_a_few_and_one_in_three_is_the_merchants_own() -> None:
    counts = Counter(c.source for c, _ in clicks() if c.action == "view")
    platform = counts["search"] + counts["recommend"] + counts["campaign"]
    own = sum(counts[s] for s in ("store_page", "qr_code", "member_push", "map", "direct"))
    views = counts.total()
    assert counts[None] / views == pytest.approx(0.02, abs=0.003)
    assert 0 < counts["livestream"] / views < 0.01
    assert counts["search"] / platform == pytest.approx(0.5, abs=0.01)
    assert own / (own + platform) == pytest.approx(0.35, abs=0.02)


def test_every_order_and_click_says_channel_tier_and_category() -> None:
    assert all(c.channel and c.city_tier and c.category for c, _ in clicks())
    assert all(o.channel and o.city_tier and o.category for o in orders())


def test_an_order_of_a_regular_is_not_the_first_and_few_do_not_say() -> None:
    said = Counter(order.first_order for order in orders())
    assert said[False] / said.total() == pytest.approx(0.3 * 15 / 16, abs=0.01)
    assert said[None] / said.total() == pytest.approx(1 / 16, abs=0.01)


def test_known_members_of_a_small_featured_merchant_are_those_whose_orders_are_not_the_first() -> None:
    known = {b.merchant_id: set(b.known_members or ()) for b in plan().catalogue.baselines}
    old = {o.member_id for o in orders() if o.merchant_id == "waipojia" and o.first_order is False}
    assert len(old) > 100
    assert old <= known["waipojia"]
    assert known["zhengongfu"] == set()


def test_exactly_367_people_join_meilijiazu_and_some_more_than_once() -> None:
    joins = Counter(c.visitor_id for c, _ in clicks() if c.action == "join" and c.merchant_id == "meilijiazu")
    assert len(joins) == 367
    assert joins.total() > 367


def test_a_join_is_repeated_in_its_partition_later_or_in_another_at_the_same_time() -> None:
    joins = defaultdict(list)
    for click, one in clicks():
        if click.action == "join":
            joins[click.merchant_id, click.visitor_id].append((one.partition, click.event_time_ms))
    again = [(first, other) for first, *others in joins.values() for other in others]
    within = [(a, b) for a, b in again if a[0] == b[0]]
    across = [(a, b) for a, b in again if a[0] != b[0]]
    assert len(within) > 5
    assert len(across) > 5
    assert all(a[1] < b[1] for a, b in within)
    assert all(a[1] == b[1] for a, b in across)


def test_a_visitors_clicks_are_in_one_partition_but_for_those_joins() -> None:
    homes = defaultdict(set)
    for click, one in clicks():
        if click.action != "join":
            homes[click.visitor_id].add(one.partition)
    assert all(len(partitions) == 1 for partitions in homes.values())


def test_no_click_is_more_than_the_lateness_behind_its_partition() -> None:
    newest = [0] * 4
    worst = 0
    for click, one in clicks():
        worst = max(worst, newest[one.partition] - click.event_time_ms)
        newest[one.partition] = max(newest[one.partition], click.event_time_ms)
    assert 0 < worst <= LATENESS_MS


def test_clicks_that_cannot_be_used_are_counted_as_they_are_sent() -> None:
    kinds = np.sum([f.kinds for block in blocks(plan()) for f in block.click_facts], axis=0)
    told = dict(zip(KINDS, kinds.tolist(), strict=True))
    assert told["good"] == len(clicks())
    assert told["good"] + told["duplicate"] == sum(click_of(one) is not None for one in sent())
    assert sum(told.values()) == len(sent())
    assert min(told.values()) > 0


def test_partitions_of_clicks_share_out_the_same_visits_whatever_their_number() -> None:
    day = small_day(5_000, hours=1)

    def ids(click_partitions: int) -> Counter[tuple[str, str, str, int]]:
        lines = [click_of(s) for s in all_sent(make_plan(day, 4, click_partitions), lane=CLICKS)]
        return Counter((c.merchant_id, c.visitor_id, c.action, c.event_time_ms) for c in lines if c)

    four = set(ids(4))
    assert set(ids(2)) == four == set(ids(6))


def test_keyed_by_merchant_its_clicks_are_where_its_orders_are() -> None:
    keyed = keyed_plan(plan_of(small_day(20_000, hours=2)), "merchant")
    ids = keyed.catalogue.merchant_ids
    home = dict(zip(ids, partitions_of_ids(ids, 4).tolist(), strict=True))
    read = [(click_of(s), s.partition) for s in all_sent(keyed, lane=CLICKS)]
    assert len(read) > 10_000
    assert all(home[c.merchant_id] == partition for c, partition in read if c is not None)


def test_keyed_by_merchant_clicks_need_as_many_partitions_as_orders() -> None:
    with pytest.raises(LoadgenError, match="the topic of clicks has 6 partitions, that of orders 4"):
        keyed_plan(make_plan(small_day(5_000, hours=1), 4, 6), "merchant")


def test_a_scenario_without_clicks_sends_none() -> None:
    quiet = msgspec.structs.replace(scenarios.load("midnight-spike"), orders=5_000)
    assert all(m.lane == 0 for block in blocks(make_plan(quiet, 2)) for m in block.messages)


MISTAKES = {
    "views_per_order = 0.5": "the buyers alone view",
    "views_per_order = 10\ncart_rate = 0.9": "cart_rate is 0.9; a visit has one at most",
    "views_per_order = 10\n[clicks.faults]\nlate = 0.6": r"the shares in clicks.faults sum to one half",
    "veiws_per_order = 10": "unknown field `veiws_per_order`",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_clicks_is_told(mistake: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("scenario") / "mine.toml"
    text = (scenarios.SHIPPED / "ordinary-day.toml").read_text(encoding="utf-8").split("[clicks]")[0]
    path.write_text(f"{text}\n[clicks]\n{mistake}\n", encoding="utf-8")
    with pytest.raises(LoadgenError, match=MISTAKES[mistake]):
        scenarios.load(str(path))


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.2, 0.5])
def test_chances_of_visits_make_the_rate(rate: float) -> None:
    clicks = Clicks(views_per_order=10, browsed=0.5)
    buying, looking = clicks.chances(rate)
    made = clicks.browsed * buying + clicks.looks_per_order * looking
    assert made == pytest.approx(rate * clicks.views_per_order)
