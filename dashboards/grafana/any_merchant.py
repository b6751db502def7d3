"""Any of a million merchants, from Redis through the JSON API, by Grafana's Infinity plugin.

Prometheus knows the leaders only. This dashboard asks `warroom web` instead, so none of the rules for
Prometheus's queries apply to it; its variable is a text to type an id into.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.builders import bargauge, table, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from dashboards.grafana.render import TAG, to_the_others
from schemas.windows import WINDOWS

PLUGIN: Final = "yesoreyeram-infinity-datasource"
SOURCE: Final = models.DataSourceRef(type_val=PLUGIN, uid="$infinity")
UID: Final = "warroom-any-merchant"
ONE: Final = "/api/v1/merchants/${merchant:percentencode}"
CURVE: Final = "/api/v1/series/${merchant:percentencode}?fields=gmv:1h,new_members:day"
ALERTS: Final = "/api/v1/alerts?merchant=${merchant:percentencode}"


@dataclass(frozen=True, slots=True)
class Column:
    """What a panel takes out of each row: a field of the JSON, its name for people, its type for Infinity."""

    selector: str
    text: str
    kind: str = "number"


@dataclass(frozen=True, slots=True)
class Question(Dataquery, Builder[Dataquery]):
    """A GET of the API. ``root``: the field that holds the rows; empty where the answer is one row."""

    path: str
    columns: tuple[Column, ...]
    root: str = ""

    def build(self) -> Dataquery:
        """Itself: it is no builder of anything else."""
        return self

    def to_json(self) -> dict[str, Any]:
        """As the plugin keeps a query. Its simple parser takes field names with a colon as they are."""
        return {
            "refId": "A",
            "datasource": SOURCE,
            "type": "json",
            "source": "url",
            "parser": "simple",
            "format": "table",
            "url": self.path,
            "url_options": {"method": "GET", "data": ""},
            "root_selector": self.root,
            "columns": [{"selector": c.selector, "text": c.text, "type": c.kind} for c in self.columns],
        }


QUESTIONS: Final = {
    "Windows": Question(
        ONE,
        tuple(
            Column(f"{field}:{window}", f"{field} {window}")
            for field in ("orders", "sales_multiple", "new_members")
            for window in WINDOWS
        ),
    ),
    "From a view to an order, today": Question(
        ONE,
        (
            Column("views:day", "views"),
            Column("carts:day", "in the cart"),
            Column("favorites:day", "favourites"),
            Column("orders:day", "orders"),
            Column("new_members:day", "new members"),
        ),
    ),
    "Channels today": Question(
        ONE,
        (
            Column("0", "channel", "string"),
            Column("1", "orders"),
            Column("2", "sales in fen"),
            Column("3", "share"),
        ),
        root="channels:day",
    ),
    "Last hour's sales, minute by minute": Question(
        CURVE, (Column("time", "time", "timestamp_epoch"), Column("gmv:1h", "sales in fen")), root="items"
    ),
    "New members today, minute by minute": Question(
        CURVE,
        (Column("time", "time", "timestamp_epoch"), Column("new_members:day", "new members")),
        root="items",
    ),
    "Its alerts": Question(
        ALERTS,
        (
            Column("bucket_end_ms", "decided", "timestamp_epoch"),
            Column("severity", "severity", "string"),
            Column("text_zh", "what", "string"),
            Column("text_en", "in English", "string"),
        ),
        root="items",
    ),
}
"""Panel title to what it asks."""
TEXTS: Final = {
    "Windows": "Orders, sales in ordinary days, and new members of every window.",
    "From a view to an order, today": "Views, carts, favourites, paid orders and new members of the day.",
    "Channels today": "Where today's sales come from, best first.",
    "Last hour's sales, minute by minute": "Sales of the closed sliding hour. Merchants that lead or are "
    "watched (engine.series_watch) have a series, others have none.",
    "New members today, minute by minute": "New members since midnight, at each closed minute.",
    "Its alerts": "Milestones that the war room told of this merchant, newest first.",
}


def json_text() -> str:
    """The dashboard as its file holds it."""
    made = (
        builders.Dashboard("Warroom / Any merchant")
        .uid(UID)
        .description("Any merchant by its id, from Redis through warroom web and the Infinity plugin.")
        .tags([TAG])
        .readonly()
        .refresh("5s")
        .time("now-24h", "now")
        .link(to_the_others())
        .with_variable(builders.DatasourceVariable("infinity").label("JSON API").type(PLUGIN))
        .with_variable(builders.TextBoxVariable("merchant").label("Merchant id"))
    )
    for title in QUESTIONS:
        made.with_panel(_panel(title))
    return json.dumps(made.build(), cls=JSONEncoder, indent=1, ensure_ascii=False) + "\n"


def _panel(title: str) -> table.Panel | bargauge.Panel | timeseries.Panel:
    if "minute by minute" in title:
        curve = timeseries.Panel().title(title).description(TEXTS[title]).datasource(SOURCE).unit("short")
        return curve.with_target(QUESTIONS[title]).span(12).height(9)
    if title.startswith("From a view"):
        bars = bargauge.Panel().title(title).description(TEXTS[title]).datasource(SOURCE).unit("short")
        bars.orientation(common_models.VizOrientation.HORIZONTAL)
        return bars.with_target(QUESTIONS[title]).span(12).height(8)
    rows = table.Panel().title(title).description(TEXTS[title]).datasource(SOURCE).unit("short")
    return rows.with_target(QUESTIONS[title]).span(24 if title != "Channels today" else 12).height(8)
