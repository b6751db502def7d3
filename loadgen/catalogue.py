"""Who sells: the scenario's merchants in the order of their row numbers, with ticket and baseline.

Row numbers: featured merchants first, then ordinary ones by popularity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from loadgen.draws import CHANCE_ONE, I64, U8, U64, compiled, draw, stream_key
from loadgen.people import CIRCLE_DAYS, Traits
from loadgen.scenario import Clicks, Featured, Scenario
from loadgen.text_bytes import texts_of
from schemas.baselines import Baseline

BASELINE_DAYS: Final = 30
MERCHANT_STREAM: Final = 101
TRAIT_STREAM: Final = 102
WEIGHT_TOTAL: Final = 1 << 31
"""Popularity is kept in whole parts of this, so that no last bit of a power function matters."""

PREFIXES: Final = (
    "老城", "江南", "阿婆", "金牌", "小巷", "東方", "溪邊", "綠野", "半畝", "大碗", "巧手", "山城",
    "一品", "青檸", "百味", "喜樂", "南門", "雲上", "海港", "三餘",
)  # fmt: skip
KINDS: Final = (
    ("restaurant", "小館", 8800), ("fast_food", "快餐", 3200), ("bakery", "餅屋", 4200),
    ("snacks", "零食", 5600), ("tea", "茶飲", 2400), ("hotpot", "火鍋", 16800),
    ("noodles", "麵館", 2900), ("fruit", "鮮果", 4800), ("cosmetics", "美妝", 12900),
    ("clothing", "衣坊", 15900), ("books", "書屋", 6900), ("home", "家居", 9900),
)  # fmt: skip
"""Category, what such a shop is called, and its middle ticket in fen."""
MEALS: Final = (2, 1, 1, 1, 1, 4, 16, 40, 50, 36, 40, 100, 160, 100, 36, 30, 32, 60, 110, 80, 40, 30, 20, 10)
SHOPPING: Final = (30, 18, 10, 6, 4, 4, 8, 18, 32, 50, 62, 60, 56, 54, 50, 50, 50, 46, 46, 56, 78, 86, 76, 50)
MEAL_SHARES: Final = [share / sum(MEALS) for share in MEALS]
SHOPPING_SHARES: Final = [share / sum(SHOPPING) for share in SHOPPING]
"""One list for all: a million merchants hold no lists of their own."""
MEAL_KINDS: Final = frozenset({"restaurant", "fast_food", "hotpot", "noodles"})
UPLIFTS_TENTHS: Final = (5, 8, 10, 12, 14, 16, 18, 20, 22, 25, 28, 30, 35, 40, 60, 90)
"""How many tenths of an ordinary day's orders an ordinary merchant sells on the day."""


class Texts(NamedTuple):
    """What orders of a merchant have in common, of all ``n`` merchants end to end."""

    fragments: U8  # from the end of the event's id to the name of the person's field
    fragment_starts: I64  # n + 1
    categories: U8  # the category with its name
    category_starts: I64  # n + 1


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All merchants of a scenario. ``n`` of them."""

    merchant_ids: list[str]
    ticket_fen: I64  # n, mean amount of an order
    weights: I64  # n, popularity among ordinary merchants in parts of WEIGHT_TOTAL; featured have 0
    baselines: list[Baseline]  # fewer than n where some have none
    texts: Texts
    traits: Traits
    categories: list[str]  # by the numbers in traits.category

    def __len__(self) -> int:
        return len(self.merchant_ids)


def zipf_weights(count: int, exponent: float) -> I64:
    """Popularity of ranks 1 to ``count`` in whole parts, summing to exactly ``WEIGHT_TOTAL``."""
    raw = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    weights: I64 = np.maximum(1, np.rint(raw * (WEIGHT_TOTAL * 0.999 / raw.sum()))).astype(np.int64)
    weights[0] += WEIGHT_TOTAL - int(weights.sum())
    return weights


def make_catalogue(scenario: Scenario, ordinary_orders: int) -> Catalogue:
    """The merchants of a scenario whose ordinary ones sell ``ordinary_orders`` in all."""
    count = scenario.popularity.merchants
    weights = zipf_weights(count, scenario.popularity.zipf_exponent)
    ids = [f.merchant_id for f in scenario.featured]
    tickets = [max(1, f.daily_gmv_fen // f.daily_orders) for f in scenario.featured]
    categories = [f.category for f in scenario.featured]
    baselines = [_featured_baseline(merchant) for merchant in scenario.featured]
    hidden = round(scenario.popularity.without_baseline * 10_000)
    drawn = _bits(scenario.seed, count)
    for rank, bits in enumerate(drawn.tolist()):
        merchant_id = f"m{rank + 1:07d}"
        category, kind, base_ticket = KINDS[bits % len(KINDS)]
        ticket = base_ticket * (60 + (bits >> 8) % 81) // 100
        ids.append(merchant_id)
        tickets.append(ticket)
        categories.append(category)
        if (bits >> 40) % 10_000 >= hidden:
            prefixes = PREFIXES[(bits >> 16) % len(PREFIXES)] + PREFIXES[(bits >> 24) % len(PREFIXES)]
            tenths = UPLIFTS_TENTHS[(bits >> 32) % len(UPLIFTS_TENTHS)]
            orders = ordinary_orders * int(weights[rank]) * 10 / (WEIGHT_TOTAL * tenths)
            name = f"{prefixes}{kind}{rank + 1}"
            baselines.append(_ordinary_baseline(merchant_id, name, category, orders, ticket))
    names = list(dict.fromkeys(categories))
    numbers = {name: number for number, name in enumerate(names)}
    kinds = np.array([numbers[name] for name in categories], np.int64)
    return Catalogue(
        merchant_ids=ids,
        ticket_fen=np.array(tickets, np.int64),
        weights=np.concatenate([np.zeros(len(scenario.featured), np.int64), weights]),
        baselines=baselines,
        texts=Texts(
            *texts_of(*(f'","merchant_id":"{merchant_id}","' for merchant_id in ids)),
            *texts_of(*(f',"category":"{category}"' for category in categories)),
        ),
        traits=_traits(scenario, drawn, weights, ordinary_orders, kinds, names),
        categories=names,
    )


def _traits(
    scenario: Scenario, drawn: U64, weights: I64, ordinary_orders: int, category: I64, names: list[str]
) -> Traits:
    """Traits of the featured merchants, then of the ordinary ones."""
    featured = scenario.featured
    clicks = scenario.clicks or Clicks()
    tenths = np.array(UPLIFTS_TENTHS, np.int64)[
        (drawn >> np.uint64(32)).astype(np.int64) % len(UPLIFTS_TENTHS)
    ]
    # Eight bits less, so that the product fits.
    circle = ordinary_orders * (weights >> 8) * 10 * CIRCLE_DAYS // ((WEIGHT_TOTAL >> 8) * tenths)
    leaning = _fill_bits(stream_key(scenario.seed, TRAIT_STREAM), np.empty(len(drawn), np.uint64))
    appeal = 600 + (leaning >> np.uint64(8)).astype(np.int64) % 801
    # Scaled so that the average visit count stays what was asked for.
    appeal = appeal * WEIGHT_TOTAL // max(1, int((appeal * weights).sum()) // 1000)
    private = (clicks.private * (1 + ((leaning >> np.uint64(40)).astype(np.int64) % 1001 - 500) / 1000)).clip(
        0, 1
    )
    own = [clicks.private if merchant.private is None else merchant.private for merchant in featured]
    meals = np.array([name in MEAL_KINDS for name in names], np.uint8)
    planned = [merchant.new_members is not None for merchant in featured]
    none = np.zeros(len(drawn), np.uint8)
    return Traits(
        meals=meals[category],
        circle=np.concatenate([np.array([CIRCLE_DAYS * m.daily_orders for m in featured], np.int64), circle]),
        appeal=np.concatenate([np.full(len(featured), 1000, np.int64), appeal]),
        private=np.rint(np.concatenate([np.array(own), private]) * CHANCE_ONE).astype(np.int64),
        planned=np.concatenate([np.array(planned, np.uint8), none]),
        category=category,
    )


def _bits(seed: int, count: int) -> U64:
    """64 random bits for each ordinary merchant."""
    return _fill_bits(stream_key(seed, MERCHANT_STREAM), np.empty(count, np.uint64))


@compiled
def _fill_bits(key: np.uint64, bits: U64) -> U64:
    for index in range(len(bits)):
        bits[index] = draw(key, index)
    return bits


def _featured_baseline(merchant: Featured) -> Baseline:
    daily = {
        "orders": float(merchant.daily_orders),
        "gmv": float(merchant.daily_gmv_fen),
        "new_members": merchant.daily_new_members,
    }
    return Baseline(
        merchant_id=merchant.merchant_id,
        name=merchant.name,
        days=BASELINE_DAYS,
        daily=daily,
        hourly_share=[share / 1000 for share in merchant.hourly_share],
        category=merchant.category,
    )


def _ordinary_baseline(
    merchant_id: str, name: str, category: str, orders: float, ticket_fen: int
) -> Baseline:
    cents = max(1, round(orders * 100))
    return Baseline(
        merchant_id=merchant_id,
        name=name,
        days=BASELINE_DAYS,
        daily={"orders": cents / 100, "gmv": float(cents * ticket_fen // 100), "new_members": cents / 5000},
        hourly_share=MEAL_SHARES if category in MEAL_KINDS else SHOPPING_SHARES,
        category=category,
    )
