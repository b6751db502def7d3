"""One merchant of those that Prometheus knows: the best by each metric."""

from __future__ import annotations

from dashboards.grafana.definition import Board, Panel, Query, Row, Thresholds, Variable
from dashboards.grafana.promql import WHO, select, top, total
from dashboards.grafana.shared import NEEDS_VOLUME, PLAIN, TIMES_THE_DAY, YUAN, firing, who
from schemas.windows import WINDOWS

ONE = 'merchant="$merchant"'
OFF_THE_BOARD = "only merchants among the best of a metric and window have its series"
CONVERSION_WINDOWS = ("5m", "1h", "day", "sale")
NEW_MEMBERS = Thresholds(
    "the war room tells the hundredth new member of a day; an ordinary shop takes over a week for them.",
    ((100.0, "green"),),
    base="blue",
)
MEMBER_MULTIPLE = Thresholds(
    "green from 1, more than a whole ordinary day's; orange from 10, where an alert asks whether it is real.",
    ((1.0, "green"), (10.0, "orange")),
    base="blue",
)


def merchant() -> Board:
    """The whole dashboard."""
    return Board(
        uid="warroom-merchant",
        title="Warroom / Merchant",
        text="One merchant among the best of any metric. Prometheus holds only these; every other one has "
        "its page on the wall page and in the JSON API.",
        rows=(_standing(), _sales(), _people()),
        variables=(
            *who("warroom_build_info"),
            Variable(
                "merchant",
                "Merchant",
                f"warroom_top{{{WHO}}}",
                "merchant",
                multi=False,
                text="Merchants that lead by any metric and window.",
            ),
        ),
        marks=firing(ONE),
    )


def _standing() -> Row:
    return Row(
        "Standing",
        (
            _stat("Last hour in ordinary days", "sales_multiple", "1h", "none", TIMES_THE_DAY, 1),
            _stat("Today in ordinary days", "sales_multiple", "day", "none", TIMES_THE_DAY, 1),
            _stat("Sales today", "gmv", "day", YUAN, PLAIN),
            _stat("Orders today", "orders", "day", "short", PLAIN),
            _stat("New members today", "new_members", "day", "short", NEW_MEMBERS),
            _stat("New members in ordinary days", "new_member_multiple", "day", "none", MEMBER_MULTIPLE, 1),
        ),
    )


def _stat(
    title: str, metric: str, window: str, unit: str, thresholds: Thresholds, decimals: int | None = None
) -> Panel:
    return Panel(
        "stat",
        title,
        f"`{metric}` of window `{window}`, of the chosen merchant.",
        unit,
        (Query(top(metric, window, ONE), "{{merchant_name}}", quiet=OFF_THE_BOARD),),
        thresholds,
        width=4,
        height=5,
        decimals=decimals,
    )


def _sales() -> Row:
    return Row(
        "Sales",
        (
            _windows(
                "Sales in ordinary days", "sales_multiple", "none", TIMES_THE_DAY, WINDOWS, NEEDS_VOLUME
            ),
            _windows("Sales", "gmv", YUAN, PLAIN, WINDOWS),
            _windows("Orders", "orders", "short", PLAIN, WINDOWS),
            Panel(
                "curves",
                "Share of everybody's sales",
                "What part of all merchants' sales is this one's, in the last hour and today.",
                "percentunit",
                tuple(
                    Query(
                        f"{top('gmv', window, ONE)} / scalar({total('gmv', window)} > 0)",
                        window,
                        high=1.0,
                        quiet=OFF_THE_BOARD,
                    )
                    for window in ("1h", "day")
                ),
                Thresholds(
                    "orange from 0.2: a fifth of everything through one merchant is the night's star, or a "
                    "price that is wrong.",
                    ((0.2, "orange"),),
                ),
                width=12,
            ),
            Panel(
                "curves",
                "Place among the leaders",
                "How many of the exported merchants have a greater multiple, plus one.",
                "short",
                (
                    Query(
                        f"count({_leading()} > scalar({_own()})) + 1 or ({_own()} >= bool 0)",
                        "place",
                        low=1.0,
                        high=100.0,
                        quiet=NEEDS_VOLUME,
                    ),
                ),
                PLAIN,
                width=12,
            ),
        ),
    )


def _leading() -> str:
    return top("sales_multiple", "1h")


def _own() -> str:
    return f"max({top('sales_multiple', '1h', ONE)})"


def _windows(
    title: str,
    metric: str,
    unit: str,
    thresholds: Thresholds,
    windows: tuple[str, ...],
    quiet: str = OFF_THE_BOARD,
    high: float = float("inf"),
) -> Panel:
    return Panel(
        "curves",
        f"{title} by window",
        f"`{metric}` of the chosen merchant in every window in which it is among the best.",
        unit,
        tuple(Query(top(metric, window, ONE), window, high=high, quiet=quiet) for window in windows),
        thresholds,
    )


def _people() -> Row:
    return Row(
        "People",
        (
            _windows("New members", "new_members", "short", NEW_MEMBERS, WINDOWS),
            Panel(
                "curves",
                "New members and the ordinary day's",
                "People who joined today beside the baseline's whole day.",
                "short",
                (
                    Query(top("new_members", "day", ONE), "today", quiet=OFF_THE_BOARD),
                    Query(
                        f"{top('new_members', 'day', ONE)} / ({top('new_member_multiple', 'day', ONE)} > 0)",
                        "a whole ordinary day",
                        quiet=OFF_THE_BOARD,
                    ),
                ),
                NEW_MEMBERS,
            ),
            _windows("Conversion", "conversion", "percentunit", PLAIN, CONVERSION_WINDOWS, high=1.5),
            _windows("Own traffic", "private_traffic_share", "percentunit", PLAIN, WINDOWS, high=1.0),
            Panel(
                "list",
                "Leaderboards it stands on",
                "Every metric and window in which the chosen merchant is among the best, with its value.",
                "short",
                (Query(f"max by (metric, window) ({select('warroom_top', ONE)})"),),
                PLAIN,
                width=16,
            ),
        ),
    )
