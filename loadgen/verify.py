"""Redis beside the oracle: every merchant, every field; what differs is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import redis
from msgspec import UNSET
from rich.table import Table

from loadgen.difference import Difference, same
from loadgen.errors import DeliveryError
from loadgen.oracle import Answers, Expected, fields_of
from loadgen.oracle_joins import HOURS_TO_100
from loadgen.verify_boards import USUAL, Boards, board_differences
from loadgen.verify_people import STANDARD_ERROR, STANDARD_ERRORS, people_differences, slack_of
from schemas import redis_layout
from schemas.windows import CLICK_MEASURES, DAY, SALE, SLIDING

AT_ONCE: Final = 2_000
MULTIPLES_OF: Final = {
    "gmv": ("sales_multiple", "orders_multiple", "same_period_multiple"),
    "new_members": ("new_member_multiple",),
}
SINGLES: Final = (HOURS_TO_100, f"{HOURS_TO_100}:{SALE}")
SLIDING_NAMES: Final = frozenset(window.name for window in SLIDING)
TOTAL: Final = "total"
EVERYTHING: Final = "total:all"


def differences(url: str, prefix: str, answers: Answers, boards: Boards = USUAL) -> list[Difference]:
    """Everything in Redis that is not as the oracle says; empty if all is right.

    Numbers of people, and rates made of them, may be estimates where they are large: see ``verify_people``.
    Raises ``DeliveryError`` naming the address if Redis does not answer.
    """
    client = redis.Redis.from_url(url, decode_responses=True, socket_timeout=10)
    try:
        return [
            *_merchants(client, prefix, answers),
            *_totals(client, prefix, answers),
            *_rollups(client, prefix, answers),
            *board_differences(client, prefix, answers, boards),
        ]
    except (redis.RedisError, OSError) as error:
        raise DeliveryError(f"no Redis answers at {url}: {error}") from error


def _merchants(client: redis.Redis, prefix: str, answers: Answers) -> Iterator[Difference]:
    ids = list(answers.merchants)
    for first in range(0, len(ids), AT_ONCE):
        some = ids[first : first + AT_ONCE]
        pipeline = client.pipeline(transaction=False)
        for merchant_id in some:
            pipeline.hgetall(redis_layout.merchant(prefix, merchant_id))
        for merchant_id, found in zip(some, pipeline.execute(), strict=True):
            yield from merchant_differences(merchant_id, answers.merchants[merchant_id], found)


def merchant_differences(
    merchant_id: str, expected: Expected, found: Mapping[str, str]
) -> Iterator[Difference]:
    """One merchant's hash beside what it must be."""
    if not found:
        yield Difference(merchant_id, "(the whole hash)", "present", None)
        return
    yield from _measures(merchant_id, expected, found)
    yield from people_differences(merchant_id, expected, found)
    for field, multiple in _multiples(expected).items():
        told = found.get(field)
        if not same(multiple, told):
            yield Difference(merchant_id, field, None if multiple is None else f"{multiple:.6f}", told)
    if expected.peak is not None and expected.peak.sales_multiple is not UNSET:
        told = found.get(redis_layout.PEAK_AT)
        if told != str(expected.peak.at_ms):
            yield Difference(merchant_id, redis_layout.PEAK_AT, str(expected.peak.at_ms), told)
    if expected.name is not None and found.get(redis_layout.NAME) != expected.name:
        yield Difference(merchant_id, redis_layout.NAME, expected.name, found.get(redis_layout.NAME))


def _measures(subject: str, expected: Expected, found: Mapping[str, str]) -> Iterator[Difference]:
    for field, value in expected.measures.items():
        told = found.get(field)
        measure, window = field.rsplit(":", 1)
        if told is None and value == 0 and (window in SLIDING_NAMES or measure in CLICK_MEASURES):
            continue
        if told != str(value):
            yield Difference(subject, field, str(value), told)


def _multiples(expected: Expected) -> dict[str, float | None]:
    """Every multiple's and single's field: its value, or None where it must be absent."""
    wanted: dict[str, float | None] = {}
    for field in expected.measures:
        measure, window = field.rsplit(":", 1)
        for multiple in MULTIPLES_OF.get(measure, ()):
            name = redis_layout.field(multiple, window)
            wanted[name] = expected.multiples.get(name)
    if f"new_members:{DAY}" in expected.measures:
        wanted |= {field: expected.singles.get(field) for field in SINGLES}
    if expected.peak is not None:
        at_peak = expected.peak.same_period_multiple
        sales = expected.peak.sales_multiple
        wanted[redis_layout.PEAK] = None if sales is UNSET else float(sales)
        wanted[redis_layout.PEAK_SAME_PERIOD] = None if at_peak is UNSET else float(at_peak)
    return wanted


def _rollups(client: redis.Redis, prefix: str, answers: Answers) -> Iterator[Difference]:
    """Every row of every roll-up, and no row that nobody expects."""
    pipeline = client.pipeline(transaction=False)
    for name in answers.rollups:
        pipeline.hgetall(redis_layout.rollup(prefix, *name.split(":", 1)))
    for (name, expected), found in zip(answers.rollups.items(), pipeline.execute(), strict=True):
        if not found:
            yield Difference(name, "(the whole hash)", "present", None)
            continue
        subject = TOTAL if name == EVERYTHING else name
        if subject != TOTAL:  # the sums over all merchants are compared beside
            yield from _measures(subject, expected, found)
        yield from people_differences(subject, expected, found)


def _totals(client: redis.Redis, prefix: str, answers: Answers) -> Iterator[Difference]:
    found: dict[str, str] = client.hgetall(redis_layout.rollup(prefix, TOTAL, "all"))  # type: ignore[assignment]
    for field, value in answers.totals.items():
        told = found.get(field)
        if told != str(value) and not (told is None and value == 0 and found):
            yield Difference(TOTAL, field, str(value), told)


def all_right(answers: Answers) -> str:
    """What was compared, where nothing differs."""
    fields = sum(fields_of(m) for m in answers.merchants.values())
    everybody = (*answers.merchants.values(), *answers.rollups.values())
    estimates = sum(slack_of(field, expected) > 0 for expected in everybody for field in expected.people)
    text = f"all right: {len(answers.merchants):,} merchants, {fields:,} fields"
    text += f", {len(answers.rollups):,} roll-ups, the leaderboards and the totals agree"
    if estimates:
        within = f"{STANDARD_ERRORS * STANDARD_ERROR:.0%}"
        text += f"; {estimates:,} numbers of people are too large to be exact and agree within {within}"
    return text


def table(found: list[Difference], limit: int = 40) -> Table:
    """Differences for people, readable at 80 columns."""
    out = Table(title=f"{len(found):,} differences" + (f", the first {limit}" if len(found) > limit else ""))
    out.add_column("merchant", max_width=16, overflow="fold")
    out.add_column("field", max_width=26, overflow="fold")
    out.add_column("expected", justify="right", overflow="fold")
    out.add_column("found", justify="right", overflow="fold")
    for one in found[:limit]:
        out.add_row(one.merchant, one.field, one.expected or "absent", one.found or "absent")
    return out
