"""The dashboard on the wall: how the night goes, readable from three metres."""

from __future__ import annotations

from dashboards.grafana.definition import Board, Panel, Query, Row, Thresholds
from dashboards.grafana.origins import NEEDS_CLICKS, where_from
from dashboards.grafana.promql import heat, select, top, total
from dashboards.grafana.shared import (
    ALERTS,
    DELAY,
    LAG,
    LATENCY,
    NEEDS_BASELINE,
    NEEDS_VOLUME,
    NO_ALERT,
    PACE,
    PLAIN,
    TIMES_THE_DAY,
    YUAN,
    firing,
    who,
)

RATE = "instance:warroom_events:rate1m"
LATENCY_BUCKETS = "instance:warroom_event_to_redis_seconds_bucket:rate5m"


def war_room() -> Board:
    """The whole dashboard."""
    return Board(
        uid="warroom",
        title="Warroom / War room",
        text="How the night goes: totals, who takes off, where it comes from, whether the numbers are fresh.",
        rows=(_now(), _against_the_ordinary_day(), _leaders(), where_from(), _is_it_true()),
        variables=who("warroom_build_info"),
        marks=firing(),
    )


def _now() -> Row:
    orders = f"{select(RATE, _orders(), _accepted())}"
    return Row(
        "Now",
        (
            _big(
                "Sales today",
                "Paid amount of the calendar day, all merchants together.",
                YUAN,
                total("gmv", "day"),
            ),
            _big(
                "Times an ordinary day",
                "Today's sales over the daily average of all merchants that have a baseline: 13 means that "
                "as much was sold today as on 13 ordinary days.",
                "none",
                total("sales_multiple", "day"),
                TIMES_THE_DAY,
                decimals=2,
                quiet=NEEDS_BASELINE,
            ),
            _big(
                "Pace of the last hour",
                "The last hour's sales over an ordinary day's in the same hour; 1 is an ordinary pace.",
                "none",
                total("same_period_multiple", "1h"),
                PACE,
                decimals=2,
                quiet=NEEDS_BASELINE,
            ),
            _big(
                "Orders a second",
                "Events of the order stream that were accepted, over the last minute of wall-clock time.",
                "cps",
                f"sum by (job) ({orders})",
                width=4,
            ),
            _big(
                "New members today",
                "People who became a member of a merchant today, each once per merchant.",
                "short",
                total("new_members", "day"),
                width=4,
            ),
            _big(
                "Freshness",
                "From an event's Kafka timestamp to its numbers in Redis, 95th percentile of five minutes.",
                "s",
                f"histogram_quantile(0.95, sum by (job, le) ({select(LATENCY_BUCKETS)}))",
                LATENCY,
                width=4,
            ),
        ),
    )


def _orders() -> str:
    return 'topic="orders"'


def _accepted() -> str:
    return 'outcome="accepted"'


def _big(
    title: str,
    text: str,
    unit: str,
    expr: str,
    thresholds: Thresholds = PLAIN,
    *,
    width: int = 4,
    decimals: int | None = None,
    quiet: str = "",
) -> Panel:
    return Panel(
        "stat", title, text, unit, (Query(expr, quiet=quiet),), thresholds, width, 6, decimals=decimals
    )


def _against_the_ordinary_day() -> Row:
    return Row(
        "Against the ordinary day",
        (
            Panel(
                "curves",
                "Today's sales and the ordinary day's",
                "Sales since midnight beside what the baselines would have sold by the same time of day.",
                YUAN,
                (
                    Query(total("gmv", "day"), "today"),
                    Query(
                        f"max by (job) ({select('instance:warroom_gmv_ordinary:day')})",
                        "ordinary day",
                        quiet=NEEDS_BASELINE,
                    ),
                ),
                PLAIN,
                width=12,
                height=9,
            ),
            Panel(
                "curves",
                "Sales of the last hour and the ordinary hour's",
                "The sliding hour beside what an ordinary day sells in the same hour.",
                YUAN,
                (
                    Query(total("gmv", "1h"), "last hour"),
                    Query(
                        f"max by (job) ({select('instance:warroom_gmv_ordinary:1h')})",
                        "ordinary hour",
                        quiet=NEEDS_BASELINE,
                    ),
                ),
                PLAIN,
                width=12,
                height=9,
            ),
        ),
    )


def _leaders() -> Row:
    return Row(
        "Who takes off",
        (
            Panel(
                "ranking",
                "Last hour's sales in ordinary days",
                "Merchants by sales of the last hour over their own ordinary day's, with how it came about.",
                "none",
                (
                    Query(top("sales_multiple", "1h"), quiet=NEEDS_VOLUME),
                    Query(f"max by (merchant) ({top('sales_multiple', '1h')})", quiet=NEEDS_VOLUME),
                ),
                TIMES_THE_DAY,
                width=10,
                height=13,
                decimals=1,
            ),
            Panel(
                "bars",
                "Most new members today",
                "The ten merchants that people joined most today.",
                "short",
                (Query(f"topk(10, {top('new_members', 'day')})", "{{merchant_name}}", quiet=NEEDS_CLICKS),),
                PLAIN,
                width=7,
                height=13,
            ),
            Panel(
                "curves",
                "How the multiples spread",
                "Half of the merchants sold less in the last hour than the lower line says, one in a hundred "
                "more than the upper: whether a few take off or everybody does.",
                "none",
                tuple(
                    Query(
                        f"histogram_quantile({share:g}, sum by (job, le) "
                        f"({select('warroom_merchants_by_sales_multiple')}))",
                        legend,
                        quiet=NEEDS_BASELINE,
                    )
                    for share, legend in (
                        (0.5, "half below"),
                        (0.9, "9 of 10 below"),
                        (0.99, "99 of 100 below"),
                    )
                ),
                TIMES_THE_DAY,
                width=7,
                height=13,
            ),
        ),
    )


def _is_it_true() -> Row:
    return Row(
        "Alerts, and whether the numbers are fresh",
        (
            Panel(
                "list",
                "Firing alerts",
                "What fires now. What to do stands in docs/operations.md under the alert's name.",
                "none",
                (
                    Query(
                        f"sort_desc(max by (alertname, severity, merchant_name, value) ({ALERTS}))",
                        low=1.0,
                        high=1.0,
                        quiet=NO_ALERT,
                    ),
                ),
                Thresholds("red from 1: every line of this list wants somebody to look.", ((1.0, "red"),)),
            ),
            Panel(
                "curves",
                "Milestones and rules of the war room itself",
                "Alerts that the dataflow holds as active, by rule: merchants past 1, 5, 10, 50, 100 "
                "ordinary days, and their hundredth new member.",
                "short",
                (Query(f"sum by (rule) ({select('warroom_alerts_active')})", "{{rule}}", quiet=NO_ALERT),),
                PLAIN,
                width=4,
            ),
            Panel(
                "stat",
                "Unread messages",
                "Messages in Kafka that no worker has read yet.",
                "short",
                (Query(f"sum by (job) ({select('warroom_consumer_lag_messages')})"),),
                LAG,
                width=4,
            ),
            Panel(
                "stat",
                "Watermark behind the clock",
                "Wall clock less the event time up to which everything is complete.",
                "s",
                (Query(f"max by (job) ({select('warroom_watermark_delay_seconds')})", low=-86_400.0),),
                DELAY,
                width=4,
            ),
            Panel(
                "heatmap",
                "Event to Redis",
                "How long events took from their Kafka timestamp to Redis; brighter is more.",
                "s",
                (Query(heat("warroom_event_to_redis_seconds")),),
                LATENCY,
                width=4,
            ),
        ),
    )
