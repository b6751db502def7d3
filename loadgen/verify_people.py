"""Numbers of different people and the rates made of them: exact where few, near enough where estimated.

Warroom counts a merchant's visitors exactly while there are at most ``EXACT_VISITORS``, its buyers and those
that came back while there are at most ``EXACT_BUYERS``; beyond, it estimates with a standard error of 2 % at
the most.
The people of a roll-up are always estimated. Here an estimate may be off by four of those, which one in
16,000 is by chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from loadgen.difference import Difference, same
from loadgen.oracle import Expected
from loadgen.ratios import OF
from schemas.windows import windows_of

EXACT_VISITORS: Final = 1536
EXACT_BUYERS: Final = 6144
STANDARD_ERROR: Final = 0.02
STANDARD_ERRORS: Final = 4
BACK_ERROR: Final = 0.009
"""Standard error of those that came back, as a share of all buyers."""
OF_BUYERS: Final = ("repeat_buyers", "returning_buyers")


def people_differences(subject: str, expected: Expected, found: Mapping[str, str]) -> Iterator[Difference]:
    """Fields of people and rates that are not as they must be, an estimate's bounds told with it."""
    for field, value in expected.people.items():
        told = found.get(field)
        slack = slack_of(field, expected)
        if told is None and value == 0:
            continue
        if told is None or not told.isdecimal() or abs(int(told) - value) > slack:
            yield Difference(subject, field, f"{value} ± {slack:.0f}" if slack else str(value), told)
    for name in OF:
        for window in windows_of(name):
            field = f"{name}:{window}"
            rate, told = expected.rates.get(field), found.get(field)
            within = _rate_slack(name, window, expected)
            if _told(name, window, expected) and not _right(rate, told, within):
                wanted = None if rate is None else f"{rate:.6f}" + (f" ± {within:.0%}" if within else "")
                yield Difference(subject, field, wanted, told)


def _right(rate: float | None, told: str | None, within: float) -> bool:
    """Nothing may stand for no one of somebody."""
    return (told is None and rate == 0.0) or same(rate, told, within)


def _told(name: str, window: str, expected: Expected) -> bool:
    """Whether the parts of a rate are told at all."""
    parts = (part for part in OF[name] if part != "sourced_views")
    return all(
        f"{part}:{window}" in expected.people or f"{part}:{window}" in expected.measures for part in parts
    )


def slack_of(field: str, expected: Expected) -> float:
    """How far a number of people may be off: 0 where few enough are counted exactly."""
    name = field.split(":")[0]
    value = expected.people[field]
    if expected.estimated:
        return STANDARD_ERRORS * STANDARD_ERROR * value + 1
    if name in OF_BUYERS:
        buyers = _most("buyers", expected)
        if buyers <= EXACT_BUYERS:
            return 0.0
        return STANDARD_ERRORS * (BACK_ERROR * buyers + STANDARD_ERROR * value) + 1
    if _most(name, expected) <= (EXACT_BUYERS if name == "buyers" else EXACT_VISITORS):
        return 0.0
    return STANDARD_ERRORS * STANDARD_ERROR * value + 1


def _most(name: str, expected: Expected) -> int:
    """The greatest number of any window: what has to be remembered."""
    return max(value for field, value in expected.people.items() if field.split(":")[0] == name)


def _rate_slack(name: str, window: str, expected: Expected) -> float:
    """How far a rate may be off, as a share of it: what its estimated parts may be, together."""
    within = 0.0
    for part in OF[name]:
        field = f"{part}:{window}"
        if expected.people.get(field):
            within += slack_of(field, expected) / expected.people[field]
    return within
