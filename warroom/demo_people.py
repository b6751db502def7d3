"""Who joined in the demo's night, read from Redis beside the oracle: new members, and hours to a hundred."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import redis
from msgspec import Struct

from loadgen.oracle import Answers
from loadgen.oracle_joins import HOURS_TO_100
from schemas import redis_layout
from schemas.windows import DAY
from warroom.demo_checks import Check, counted, decimal

_TOTALS: Final = {
    "views": ("全部瀏覽", "all views"),
    "carts": ("全部加購", "all carts"),
    "favorites": ("全部收藏", "all favourites"),
    "new_members": ("全部新會員", "all new members"),
}


class Joined(Struct, frozen=True):
    """A merchant's new members of the day, as Redis has them."""

    new_members: int | None = None
    multiple: float | None = None
    hours_to_100: float | None = None


class People(Struct, frozen=True):
    """What the click stream came to: the merchants of the story, and ``totals`` by ``views:sale``."""

    joined: dict[str, Joined] = {}
    totals: dict[str, int] = {}


def read_people(url: str, prefix: str, merchant_ids: tuple[str, ...]) -> People:
    """What Redis shows of the click stream."""
    with redis.Redis.from_url(url, decode_responses=True, socket_timeout=10) as client:
        fields = [
            redis_layout.field("new_members", DAY),
            redis_layout.field("new_member_multiple", DAY),
            HOURS_TO_100,
        ]
        joined = {}
        for merchant_id in merchant_ids:
            count, multiple, hours = client.hmget(redis_layout.merchant(prefix, merchant_id), fields)
            joined[merchant_id] = Joined(_whole(count), _real(multiple), _real(hours))
        total: dict[str, str] = client.hgetall(redis_layout.rollup(prefix, "total", "all"))
    wanted = {field: _whole(total.get(field)) for field in total if field.split(":")[0] in _TOTALS}
    return People(joined, {field: value for field, value in wanted.items() if value is not None})


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _real(text: str | None) -> float | None:
    return None if text is None else float(text)


def people_checks(people: People, answers: Answers, window: str) -> Iterator[Check]:
    """New members of whoever had a hundred, and everybody's clicks; nothing where none were sent."""
    if not answers.clicks:
        return
    for merchant_id, story in answers.story.items():
        if story.hours_to_100_new_members is None:
            continue
        mine, name = people.joined.get(merchant_id, Joined()), story.name
        yield Check(
            f"{name} 新會員", f"{name} new members", counted(mine.new_members), counted(story.new_members)
        )
        yield Check(
            f"{name} 新會員 ÷ 平日",
            f"{name} new members ÷ day",
            decimal(mine.multiple),
            decimal(story.new_member_multiple),
        )
        yield Check(
            f"{name} 滿百新會員（小時）",
            f"{name} hours to 100 members",
            decimal(mine.hours_to_100),
            decimal(story.hours_to_100_new_members),
        )
    for measure, (chinese, english) in _TOTALS.items():
        field = redis_layout.field(measure, window)
        yield Check(chinese, english, counted(people.totals.get(field)), counted(answers.totals[field]))


def duplicate_checks(duplicates: Mapping[str, int], answers: Answers) -> Iterator[Check]:
    """Duplicates by topic."""
    names = {"orders": ("重複訂單", "duplicate orders"), "clicks": ("重複點擊", "duplicate clicks")}
    for topic, count in answers.duplicates.items():
        if topic == "orders" or answers.clicks:
            yield Check(*names[topic], counted(duplicates.get(topic, 0)), counted(count))
