"""The leaderboards beside what the oracle would put on them: who, in what order, with which score."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import redis

from loadgen.difference import TOLERANCE, Difference
from loadgen.oracle import Answers, Expected
from schemas import redis_layout
from schemas.windows import WINDOWS

ORDER_BOARDS: Final = ("sales_multiple", "gmv", "orders")
CLICK_BOARDS: Final = ("new_members", "new_member_multiple", "private_traffic_share")
"""Boards of exact numbers. ``conversion`` is not among them: where it is estimated, so is its order."""


WHOLE: Final = frozenset({"gmv", "orders", "new_members"})
"""Scores in whole numbers, which are compared to the last one."""


@dataclass(frozen=True, slots=True)
class Boards:
    """How long the boards are, and what a merchant needs in the window to be on one."""

    size: int = 50
    min_orders: int = 10
    min_new_members: int = 10
    min_views: int = 100


USUAL: Final = Boards()
"""As Warroom's settings are unless they are changed."""


def board_differences(
    client: redis.Redis, prefix: str, answers: Answers, boards: Boards
) -> Iterator[Difference]:
    """Boards that are not as they must be; of merchants with equal scores either may stand."""
    metrics = ORDER_BOARDS + (CLICK_BOARDS if answers.clicks else ())
    for metric in metrics:
        for window in WINDOWS:
            field = redis_layout.field(metric, window)
            found = client.zrevrange(redis_layout.top(prefix, metric, window), 0, -1, withscores=True)
            scores = {m: _score(e, metric, window, boards) for m, e in answers.merchants.items()}
            near = operator.eq if metric in WHOLE else _near
            yield from _board(f"top:{field}", scores, found, boards.size, near)  # type: ignore[arg-type]


def _board(
    name: str,
    scores: dict[str, float | None],
    found: list[tuple[str, float]],
    size: int,
    near: Callable[[float, float], bool],
) -> Iterator[Difference]:
    usable = {merchant: score for merchant, score in scores.items() if score is not None and score > 0}
    wanted = sorted(usable.items(), key=lambda item: (-item[1], item[0]))[:size]
    if len(wanted) != len(found):
        yield Difference(name, "(how many)", str(len(wanted)), str(len(found)))
    for place, ((merchant, score), (there, told)) in enumerate(zip(wanted, found, strict=False), 1):
        mine = usable.get(there)
        if mine is None or not near(score, told) or not near(mine, told):
            yield Difference(name, f"place {place}", f"{merchant} {score:.6f}", f"{there} {told:.6f}")


def _near(expected: float, told: float) -> bool:
    return abs(told - expected) <= TOLERANCE + TOLERANCE * abs(expected)


def _score(expected: Expected, metric: str, window: str, boards: Boards) -> float | None:
    """What a merchant has to show on a board; None if it may not stand there."""

    def measure(name: str) -> int:
        return expected.measures[redis_layout.field(name, window)]

    if metric in WHOLE:
        return measure(metric)
    field = redis_layout.field(metric, window)
    if metric == "sales_multiple":
        return expected.multiples.get(field) if measure("orders") >= boards.min_orders else None
    if metric == "new_member_multiple":
        return expected.multiples.get(field) if measure("new_members") >= boards.min_new_members else None
    sourced = measure("private_views") + measure("platform_views")
    return expected.rates.get(field) if sourced >= boards.min_views else None
