"""The row of the wall that tells where sales, visitors and members come from."""

from __future__ import annotations

from dashboards.grafana.definition import Panel, Query, Row
from dashboards.grafana.promql import ordinary, rollup, share_of_total, total
from dashboards.grafana.shared import PLAIN

NEEDS_CLICKS = "without a click stream there are no visitors, views or new members"
A_MOMENT_APART = 1.2
"""Roll-ups and totals are told by two workers, up to a second apart: a share may exceed 1 meanwhile."""


def where_from() -> Row:
    """Channels and towns, the funnel, whose traffic, who joins."""
    return Row(
        "Where it comes from",
        (
            _shares("Channels", "channel", "the channel that the order names"),
            _shares("Tiers of cities", "city_tier", "the tier of the city that the order names"),
            _orders_by_channel(),
            _funnel(),
            _who_buys_and_joins(),
            _own_traffic(),
            _members_and_ordinary(),
        ),
    )


def _orders_by_channel() -> Panel:
    return Panel(
        "curves",
        "Orders by channel",
        "Orders of the last five minutes by channel: one that falls to 0 has gone dark.",
        "short",
        (Query(rollup("channel", "orders", "5m"), "{{value}}"),),
        PLAIN,
        width=6,
        stacked=True,
    )


def _funnel() -> Panel:
    return Panel(
        "bars",
        "From a view to an order, last hour",
        "Views, put in the cart, marked as favourite, paid orders and new members of the last hour.",
        "short",
        tuple(
            Query(total(measure, "1h"), legend)
            for measure, legend in (
                ("views", "views"),
                ("carts", "in the cart"),
                ("favorites", "favourites"),
                ("orders", "orders"),
                ("new_members", "new members"),
            )
        ),
        PLAIN,
        width=6,
    )


def _who_buys_and_joins() -> Panel:
    return Panel(
        "curves",
        "Conversion and new-member rate",
        "Of a hundred visitors of the last hour: how many bought, how many became members.",
        "percentunit",
        (
            Query(total("conversion", "1h"), "bought", high=1.5, quiet=NEEDS_CLICKS),
            Query(total("new_member_rate", "1h"), "became members", high=1.5, quiet=NEEDS_CLICKS),
        ),
        PLAIN,
    )


def _own_traffic() -> Panel:
    return Panel(
        "curves",
        "The merchants' own traffic",
        "Views that came by the merchants' own ways (store page, QR code, push, map, direct) of "
        "those with a known source.",
        "percentunit",
        (Query(total("private_traffic_share", "1h"), "own traffic", high=1.0, quiet=NEEDS_CLICKS),),
        PLAIN,
    )


def _members_and_ordinary() -> Panel:
    return Panel(
        "curves",
        "New members and the ordinary day's",
        "People who joined today beside a whole ordinary day's.",
        "short",
        (
            Query(total("new_members", "day"), "today"),
            Query(
                ordinary("new_members", "new_member_multiple", "day"),
                "a whole ordinary day",
                quiet=NEEDS_CLICKS,
            ),
        ),
        PLAIN,
    )


def _shares(title: str, dimension: str, what: str) -> Panel:
    return Panel(
        "bars",
        f"{title}: share of today's sales",
        f"Parts of today's paid amount by {what}; the best 20.",
        "percentunit",
        (Query(f"sort_desc({share_of_total(dimension, 'gmv', 'day')})", "{{value}}", high=A_MOMENT_APART),),
        PLAIN,
        width=6,
        highest=1.0,
    )
