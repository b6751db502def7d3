"""Alerts about the sale: who takes off, who stalls, what to ask about it."""

from __future__ import annotations

from typing import Final

from dashboards.prometheus.recording import total
from dashboards.prometheus.rule import Alert, Group
from schemas.alerts import Severity

STEPS: Final[tuple[tuple[float, float | None, Severity], ...]] = (
    (5, 10, "info"),
    (10, 50, "info"),
    (50, 100, "warning"),
    (100, None, "warning"),
)
"""From how many ordinary days' sales on, below how many, how grave. One step fires at a time. Milestones of
the war room itself begin at 1; these wake somebody, so they begin where an ordinary promotion ends."""

LEAST_EXPECTED: Final = 30
"""Orders expected of a channel in five minutes below which silence says nothing: with 30 expected, fewer
than 3 has a probability of 4e-11 (Poisson)."""
ENOUGH: Final = f"on (job, instance) {total('orders', '12h')} >= 100"
"""With fewer orders in twelve hours the pace of everybody together says nothing."""


def _step(low: float, high: float | None, severity: Severity) -> Alert:
    below = "" if high is None else f" < {high:g}"
    return Alert(
        "WarroomMerchantTakesOff",
        expr=f'(warroom_top{{metric="sales_multiple",window=~"1h|day"}} >= {low:g}){below}',
        hold_s=10,
        severity=severity,
        area="sales",
        summary="""
            {{ $labels.merchant_name }} ({{ $labels.merchant }}): {{ $value | printf "%.1f" }} ordinary
            days' sales in window {{ $labels.window }}
        """,
        means="""
            A merchant has sold as much in the window as on that many of its ordinary days. Either the
            night has a star, or a price is wrong, or the orders are not real.
        """,
        do="""
            Look at the merchant's dashboard: do visitors and new members rise with the sales? If only
            the sales do, look at the price and at few members who order much. If it is real: stock,
            service, congratulations.
        """,
        labels=(("step", f"{low:g}"),),
    )


SALES: Final = Group(
    "warroom-sales",
    (
        *(_step(low, high, severity) for low, high, severity in STEPS),
        Alert(
            "WarroomTotalFarAbovePace",
            expr=f"{total('same_period_multiple', '1h')} > 5 and {ENOUGH}",
            hold_s=60,
            severity="info",
            area="sales",
            summary="""
                All merchants together sell {{ $value | printf "%.1f" }} times an ordinary hour's
            """,
            means="""
                The last hour's sales of everybody are over five times what ordinary days sell in the same
                hour.
            """,
            do="""
                If a sale has opened, this is it: watch lag and latency. If none has, look for duplicated
                orders (duplicates by topic) and for a baseline that is too low.
            """,
        ),
        Alert(
            "WarroomTotalFarBelowPace",
            expr=f"{total('same_period_multiple', '1h')} < 0.5 and {ENOUGH}",
            hold_s=120,
            severity="warning",
            area="sales",
            summary="""
                All merchants together sell only {{ $value | printf "%.2f" }} of an ordinary hour's
            """,
            means="""
                The last hour's sales of everybody are under half of what ordinary days sell in the same
                hour.
            """,
            do="""
                See whether orders come in at all (events by topic), then which channel or tier is missing.
                If all are down evenly, ask the shop's own monitoring: payment, login.
            """,
        ),
        Alert(
            "WarroomNewMemberSurge",
            expr='warroom_top{metric="new_member_multiple",window="day"} > 10',
            hold_s=30,
            severity="info",
            area="sales",
            summary="""
                {{ $labels.merchant_name }} ({{ $labels.merchant }}): {{ $value | printf "%.1f" }} ordinary
                days' new members today
            """,
            means="""
                A merchant with at least ten new members today has over ten times its ordinary day's.
            """,
            do="""
                Look where they come from (own traffic or the platform's) and whether they buy. Joins
                without views are bots.
            """,
        ),
        Alert(
            "WarroomChannelDark",
            expr=f"""
                instance:warroom_channel_orders_over_expected:5m < 0.1 and
                instance:warroom_channel_orders_expected:5m >= {LEAST_EXPECTED}
            """,
            hold_s=60,
            severity="critical",
            area="sales",
            summary="""
                Channel {{ $labels.value }} brings {{ $value | printf "%.2f" }} of the orders expected of it
            """,
            means="""
                A channel that had its share of today's orders has brought under a tenth of it in five
                minutes, while the others sell on. Only where at least 30 orders were to be expected.
            """,
            do="""
                Ask the channel's owner: app release, payment, a partner's outage. Check that producers
                still name the channel: a renamed one looks dark.
            """,
        ),
    ),
)
