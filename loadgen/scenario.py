"""Scenarios: what a day looks like, as a TOML file says it. One frozen record, checked on loading."""

from __future__ import annotations

import tomllib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct

from loadgen.channels import CHANNELS
from loadgen.errors import LoadgenError
from loadgen.shipped import file_of, names_in
from schemas.events import Id
from schemas.windows import DEFAULT_TIMEZONE, HOUR_MS

SHIPPED: Final = Path(__file__).parent / "scenarios"
HOURS_A_DAY: Final = 24
MOST_PEOPLE: Final = 9_000_000
"""A person's number has seven digits."""

MOST_VIEWS: Final = 4
BUYERS_LEAN: Final = 4

Share = Annotated[float, Meta(ge=0, le=1)]
Clock = Annotated[str, Meta(pattern=r"^[0-9]{2}:[0-9]{2}(:[0-9]{2})?$")]
Hourly = Annotated[list[Annotated[float, Meta(ge=0)]], Meta(min_length=HOURS_A_DAY, max_length=HOURS_A_DAY)]


class Popularity(Struct, frozen=True, forbid_unknown_fields=True):
    """How a scenario's ordinary merchants share its orders: the one of rank r gets r ** -exponent.

    ``people`` is how many there are to buy and look. ``regulars`` is the share of orders from a
    merchant's own circle: those buy again, and say so by ``first_order`` false.
    """

    merchants: Annotated[int, Meta(ge=1, le=1_048_576)] = 1000
    zipf_exponent: Annotated[float, Meta(ge=0, le=3)] = 1.0
    without_baseline: Share = 0.0
    people: Annotated[int, Meta(ge=10_000, le=MOST_PEOPLE)] = MOST_PEOPLE
    regulars: Share = 0.3


class Spike(Struct, frozen=True, forbid_unknown_fields=True):
    """A burst on top of the day, after Bodik et al. (SoCC 2010).

    It climbs from nothing to its peak in ``steepness_s``, stays for ``duration_s`` and falls off with
    the time constant ``decay_s``. ``magnitude`` is the height of the peak in multiples of the day's mean
    rate. ``locality`` is the share of it that falls on ``hot_merchants`` (ranks from ``hot_from`` on).
    """

    at: Clock
    steepness_s: Annotated[int, Meta(ge=1)]
    magnitude: Annotated[float, Meta(gt=0)]
    duration_s: Annotated[int, Meta(ge=0)] = 0
    decay_s: Annotated[int, Meta(ge=1)] = 1
    locality: Share = 0.0
    hot_merchants: Annotated[int, Meta(ge=1)] = 1
    hot_from: Annotated[int, Meta(ge=1)] = 1


class Featured(Struct, frozen=True, forbid_unknown_fields=True):
    """A merchant whose day is told to the fen.

    Exactly one of ``times_the_day`` (each hour's gmv in multiples of the baseline's day) and
    ``times_the_hour`` (in multiples of what the baseline sells in that hour) is given. ``hourly_share``
    is in thousandths. ``peak_hour`` gets enough orders, evenly spread, that no other sixty minutes beat it.
    ``new_members``: with clicks, exactly so many different people join in 24 hours, as its sales come.
    ``private``: with clicks, the share of its views that is its own traffic.
    """

    merchant_id: Id
    name: str
    category: str
    daily_orders: Annotated[int, Meta(ge=1)]
    daily_gmv_fen: Annotated[int, Meta(ge=1)]
    daily_new_members: Annotated[float, Meta(ge=0)]
    hourly_share: Hourly
    times_the_day: Hourly | None = None
    times_the_hour: Hourly | None = None
    peak_hour: Annotated[int, Meta(ge=0, lt=HOURS_A_DAY)] | None = None
    new_members: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    private: Share | None = None

    def gmv_fen(self, hour: int) -> int:
        """What this merchant sells in one hour of the scenario."""
        if self.times_the_day is not None:
            return round(self.times_the_day[hour] * self.daily_gmv_fen)
        assert self.times_the_hour is not None
        return round(self.times_the_hour[hour] * self.daily_gmv_fen * self.hourly_share[hour] / 1000)


class Faults(Struct, frozen=True, forbid_unknown_fields=True):
    """What goes wrong, as shares of the paid orders; together below one half."""

    duplicate: Share = 0.01
    created: Share = 0.02
    refunded: Share = 0.015
    cancelled: Share = 0.005
    late: Share = 0.0005
    future: Share = 0.0001
    malformed: Share = 0.0002
    invalid: Share = 0.0005
    disordered: Share = 0.2
    packed: Share = 0.001


class ClickFaults(Struct, frozen=True, forbid_unknown_fields=True):
    """What goes wrong with clicks, as shares of them, together below one half.

    ``repeated_join`` is a share of the joins: the same visitor joins the merchant again, by another event.
    """

    duplicate: Share = 0.01
    late: Share = 0.0003
    future: Share = 0.0001
    malformed: Share = 0.0002
    invalid: Share = 0.0003
    disordered: Share = 0.2
    packed: Share = 0.001
    repeated_join: Share = 0.05


class Clicks(Struct, frozen=True, forbid_unknown_fields=True):
    """Visits, and what they lead to. A visit has one to four views, ``views_per_visit`` on average.

    ``views_per_order``: views for each paid order. ``browsed``: share of the orders that a visit of
    their buyer led to; the other views are of visitors who do not buy then. ``cart_rate``,
    ``favorite_rate`` and ``join_rate``: carts, favourites and joins a view; a visit that ends in an order
    has ``BUYERS_LEAN`` times the chance of each. ``private``: share of views that is the merchant's own
    traffic, which differs from merchant to merchant; ``unsourced`` views do not say.
    """

    views_per_order: Annotated[float, Meta(gt=0, le=100)] = 10.0
    views_per_visit: Annotated[float, Meta(ge=1, le=MOST_VIEWS)] = 1.8
    browsed: Share = 0.8
    cart_rate: Share = 0.06
    favorite_rate: Share = 0.03
    join_rate: Share = 0.005
    private: Share = 0.35
    unsourced: Share = 0.02
    faults: ClickFaults = ClickFaults()

    def chances(self, rate: float) -> tuple[float, float]:
        """Of an event with a ``rate`` a view: its chance in a buyer's visit, and in any other visit.

        Above 1 where the rate cannot be met.
        """
        buying, looking = self.browsed, self.looks_per_order
        wanted = rate * self.views_per_order
        if buying + looking == 0:
            return 0.0, 0.0
        each = wanted / (BUYERS_LEAN * buying + looking)
        if BUYERS_LEAN * each <= 1:
            return BUYERS_LEAN * each, each
        return 1.0, (wanted - buying) / looking if looking > 0 else wanted / buying + 1

    @property
    def looks_per_order(self) -> float:
        """Visits without an order for each paid order; negative where the buyers alone view too much."""
        return self.views_per_order / self.views_per_visit - self.browsed


class Outage(Struct, frozen=True, forbid_unknown_fields=True):
    """A channel that brings nothing from ``at`` on, for ``duration_s``."""

    channel: str
    at: Clock
    duration_s: Annotated[int, Meta(ge=1)]


class Bots(Struct, frozen=True, forbid_unknown_fields=True):
    """Few members who order much: ``share`` of a spike's orders come from ``members`` of them."""

    members: Annotated[int, Meta(ge=1)]
    share: Share


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """A scenario, as its file says it. ``profile`` is each local hour's part of the day, in any unit."""

    name: str
    title: str
    day: Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    profile: Hourly
    orders: Annotated[int, Meta(ge=1)]
    seed: Annotated[int, Meta(ge=0)]
    hours: Annotated[int, Meta(ge=1, le=HOURS_A_DAY)] = HOURS_A_DAY
    timezone: str = DEFAULT_TIMEZONE
    sale_opens: Clock = "00:00"
    popularity: Popularity = Popularity()
    faults: Faults = Faults()
    spikes: list[Spike] = []
    featured: list[Featured] = []
    outages: list[Outage] = []
    bots: Bots | None = None
    clicks: Clicks | None = None
    begins_ms: Annotated[int, Meta(ge=0)] | None = None
    """When it begins, in milliseconds since the epoch, instead of at the day's local midnight."""

    @property
    def start_ms(self) -> int:
        """Local midnight of the day, or ``begins_ms``, in milliseconds since the epoch."""
        if self.begins_ms is not None:
            return self.begins_ms
        day = datetime.fromisoformat(self.day).replace(tzinfo=ZoneInfo(self.timezone))
        return int(day.timestamp()) * 1000

    @property
    def duration_ms(self) -> int:
        """Length of the scenario."""
        return self.hours * HOUR_MS

    @property
    def sale_open_ms(self) -> int:
        """When the sale opens, in milliseconds since the epoch."""
        return self.start_ms + clock_seconds(self.sale_opens) * 1000


def clock_seconds(clock: str) -> int:
    """``"20:00"`` or ``"20:00:05"`` to seconds since midnight."""
    hours, minutes, *seconds = (int(part) for part in clock.split(":"))
    return hours * 3600 + minutes * 60 + (seconds[0] if seconds else 0)


def shipped_names() -> list[str]:
    """Names of the scenarios that come with the project."""
    return names_in(SHIPPED)


def load(name_or_path: str) -> Scenario:
    """A shipped scenario by name, or any by the path of its file.

    Raises ``LoadgenError`` naming file, key and what would be right.
    """
    path = file_of(name_or_path, SHIPPED, "scenario")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LoadgenError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LoadgenError(f"{path}: not TOML: {error}") from error
    return from_dict(raw, str(path))


def from_dict(raw: dict[str, Any], where: str) -> Scenario:
    """A scenario from parsed TOML; ``where`` is named in errors."""
    try:
        scenario = msgspec.convert(raw, Scenario)
    except msgspec.ValidationError as error:
        raise LoadgenError(f"{where}: {error}") from error
    wrong = problem(scenario)
    if wrong:
        raise LoadgenError(f"{where}: {wrong}")
    return scenario


def problem(scenario: Scenario) -> str | None:
    """What is wrong with a scenario beyond its types, in one sentence; None if nothing is."""
    try:
        ZoneInfo(scenario.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        return f"timezone is {scenario.timezone!r}; it must be a name like Asia/Shanghai"
    try:
        datetime.fromisoformat(scenario.day)
    except ValueError:
        return f"day is {scenario.day!r}; it must be a date that exists, like 2019-12-12"
    if sum(scenario.profile) <= 0:
        return "profile is 0 in every hour; at least one hour must be above 0"
    faults = scenario.faults
    wrong = faults.duplicate + faults.late + faults.future + faults.malformed + faults.invalid
    if wrong + faults.created + faults.refunded + faults.cancelled >= 0.5:
        return "the shares in faults sum to one half or more; they must stay below"
    return _clock_problem(scenario) or _merchant_problem(scenario) or _click_problem(scenario)


def _click_problem(scenario: Scenario) -> str | None:
    clicks = scenario.clicks
    for index, outage in enumerate(scenario.outages):
        if outage.channel not in CHANNELS:
            return f"outages[{index}].channel is {outage.channel!r}; it must be one of {', '.join(CHANNELS)}"
    if clicks is None:
        return None
    if clicks.looks_per_order < 0:
        return (
            f"clicks.views_per_order is {clicks.views_per_order:g}, but the buyers alone view "
            f"{clicks.browsed * clicks.views_per_visit:g} an order; raise it or lower clicks.browsed"
        )
    for name in ("cart_rate", "favorite_rate", "join_rate"):
        if clicks.chances(getattr(clicks, name))[1] > 1:
            return f"clicks.{name} is {getattr(clicks, name):g}; a visit has one at most, so it must be lower"
    faults = clicks.faults
    if faults.duplicate + faults.late + faults.future + faults.malformed + faults.invalid >= 0.5:
        return "the shares in clicks.faults sum to one half or more; they must stay below"
    return None


def _clock_problem(scenario: Scenario) -> str | None:
    clocks = [("sale_opens", scenario.sale_opens)]
    clocks += [(f"spikes[{i}].at", spike.at) for i, spike in enumerate(scenario.spikes)]
    clocks += [(f"outages[{i}].at", outage.at) for i, outage in enumerate(scenario.outages)]
    for key, clock in clocks:
        if any(int(p) >= limit for p, limit in zip(clock.split(":"), (24, 60, 60), strict=False)):
            return f"{key} is {clock!r}; it must be a time of day like 20:00 or 20:00:05"
    return None


def _merchant_problem(scenario: Scenario) -> str | None:
    seen: set[str] = set()
    for index, merchant in enumerate(scenario.featured):
        where = f"featured[{index}] ({merchant.merchant_id})"
        if merchant.merchant_id in seen:
            return f"{where}: merchant_id is given twice; each merchant is featured once"
        seen.add(merchant.merchant_id)
        if (merchant.times_the_day is None) == (merchant.times_the_hour is None):
            return f"{where}: give exactly one of times_the_day and times_the_hour"
        if abs(sum(merchant.hourly_share) - 1000) > 1e-6:
            return f"{where}: hourly_share sums to {sum(merchant.hourly_share):g}; it must sum to 1000"
    for index, spike in enumerate(scenario.spikes):
        if spike.hot_from + spike.hot_merchants - 1 > scenario.popularity.merchants:
            last = spike.hot_from + spike.hot_merchants - 1
            return (
                f"spikes[{index}]: its hot merchants go up to {last}, but popularity.merchants is "
                f"{scenario.popularity.merchants}"
            )
    return None
