"""From a dashboard as data to Grafana's JSON, by grafana-foundation-sdk."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.grafana.definition import Board, Kind, Panel, Query, Row, Thresholds, Variable

SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="$datasource")
TAG: Final = "warroom"
TALL_DIGITS: Final = 64
"""Pixels of the digits of a tall number: readable from three metres."""
TALL: Final = 6

Rendered = stat.Panel | timeseries.Panel | bargauge.Panel | heatmap.Panel | table.Panel | statetimeline.Panel
P = TypeVar(
    "P", stat.Panel, timeseries.Panel, bargauge.Panel, heatmap.Panel, table.Panel, statetimeline.Panel
)


def json_text(board: Board) -> str:
    """The dashboard as its file holds it."""
    return json.dumps(dashboard(board).build(), cls=JSONEncoder, indent=1, ensure_ascii=False) + "\n"


def dashboard(board: Board) -> builders.Dashboard:
    """The dashboard as the SDK builds it: not editable, since its source is here."""
    made = (
        builders.Dashboard(board.title)
        .uid(board.uid)
        .description(board.text)
        .tags([TAG])
        .readonly()
        .refresh(board.refresh)
        .time(board.since, "now")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(to_the_others())
        .with_variable(_data_source())
        .annotation(_marks(board.marks))
    )
    for variable in board.variables:
        made.with_variable(_variable(variable))
    for row in board.rows:
        _add_row(made, row)
    return made


def _add_row(made: builders.Dashboard, row: Row) -> None:
    made.with_row(builders.Row(row.title))
    for panel in row.panels:
        made.with_panel(BUILDERS[panel.kind](panel))


def to_the_others() -> builders.DashboardLink:
    """Links to every dashboard of the war room, with what was chosen here."""
    return (
        builders.DashboardLink("Warroom")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .include_vars(True)
        .keep_time(True)
        .tooltip("The other dashboards of the war room")
    )


def _data_source() -> builders.DatasourceVariable:
    return builders.DatasourceVariable("datasource").label("Data source").type("prometheus")


def _variable(variable: Variable) -> builders.QueryVariable:
    made = (
        builders.QueryVariable(variable.name)
        .label(variable.label)
        .description(variable.text)
        .datasource(SOURCE)
        .query(variable.query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )
    if variable.multi:
        everything = models.VariableOption(selected=True, text=["All"], value=["$__all"])
        made.multi(True).include_all(True).all_value(".+").current(everything)
    return made


def _marks(query: Query) -> builders.AnnotationQuery:
    made = builders.AnnotationQuery().name("Alerts").datasource(SOURCE).enable(True).icon_color("red")
    return made.expr(query.expr)


def _query(query: Query, ref: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id(ref).expr(query.expr).datasource(SOURCE).legend_format(query.legend)


def _ref(index: int) -> str:
    return "ABCDEFGHIJ"[index]


def _ranges(panel: Panel) -> list[prometheus.Dataquery]:
    return [_query(query, _ref(i)).range() for i, query in enumerate(panel.queries)]


def _instants(panel: Panel) -> list[prometheus.Dataquery]:
    return [_query(query, _ref(i)).instant() for i, query in enumerate(panel.queries)]


def _common(builder: P, panel: Panel) -> P:
    builder.title(panel.title).description(panel.description).datasource(SOURCE)
    builder.span(panel.width).height(panel.height).unit(panel.unit).thresholds(_thresholds(panel.thresholds))
    if panel.decimals is not None:
        builder.decimals(panel.decimals)
    return builder


def _thresholds(thresholds: Thresholds) -> builders.ThresholdsConfig:
    steps = [models.Threshold(value=None, color=thresholds.base)]
    steps += [models.Threshold(value=at, color=color) for at, color in thresholds.steps]
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _by_thresholds() -> builders.FieldColor:
    return builders.FieldColor().mode(models.FieldColorModeId.THRESHOLDS)


def _stat(panel: Panel) -> Rendered:
    made = _common(stat.Panel(), panel).targets(list(_ranges(panel)))
    made.reduce_options(_last()).color_mode(common_models.BigValueColorMode.VALUE)
    made.graph_mode(common_models.BigValueGraphMode.AREA).color_scheme(_by_thresholds())
    if panel.height >= TALL:
        made.text(common.VizTextDisplayOptions().value_size(TALL_DIGITS))
    return made


def _curves(panel: Panel) -> Rendered:
    made = _common(timeseries.Panel(), panel).targets(list(_ranges(panel)))
    made.line_width(2).fill_opacity(30 if panel.stacked else 8).axis_soft_min(0)
    made.show_points(common_models.VisibilityMode.NEVER)
    made.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(common_models.LegendDisplayMode.LIST)
        .placement(common_models.LegendPlacement.BOTTOM)
    )
    made.tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    if panel.stacked:
        made.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))
    if panel.thresholds.steps:
        lines = common_models.GraphThresholdsStyleMode.DASHED
        made.thresholds_style(common.GraphThresholdsStyleConfig().mode(lines))
    return made


def _bars(panel: Panel) -> Rendered:
    made = _common(bargauge.Panel(), panel).targets(list(_instants(panel)))
    made.reduce_options(_last()).orientation(common_models.VizOrientation.HORIZONTAL).min(0)
    made.display_mode(common_models.BarGaugeDisplayMode.BASIC).color_scheme(_by_thresholds())
    if panel.highest is not None:
        made.max(panel.highest)
    return made


def _heatmap(panel: Panel) -> Rendered:
    made = _common(heatmap.Panel(), panel)
    made.targets([target.format(PromQueryFormat.HEATMAP) for target in _ranges(panel)])
    return made.y_axis(heatmap.YAxisConfig().unit(panel.unit)).show_y_histogram()


def _states(panel: Panel) -> Rendered:
    made = _common(statetimeline.Panel(), panel).targets(list(_ranges(panel)))
    options = {
        f"{value:g}": models.ValueMappingResult(text=text, color=color) for value, text, color in panel.states
    }
    return made.mappings([models.ValueMap(options=options)])


def _list(panel: Panel) -> Rendered:
    made = _common(table.Panel(), panel)
    made.targets([target.format(PromQueryFormat.TABLE) for target in _instants(panel)])
    made.with_transformation(_transformation("organize", {"excludeByName": {"Time": True}}))
    return made.show_header(True)


def _ranking(panel: Panel) -> Rendered:
    """Two queries joined by merchant: the course of each as a sparkline, its newest value as a bar."""
    course, newest = panel.queries
    made = _common(table.Panel(), panel).show_header(True)
    made.targets(
        [
            _query(course, "A").range().format(PromQueryFormat.TIME_SERIES),
            _query(newest, "B").instant().format(PromQueryFormat.TABLE),
        ]
    )
    only_courses = models.MatcherConfig(id_val="byRefId", options="A")
    made.with_transformation(_transformation("timeSeriesTable", {"A": {"stat": "lastNotNull"}}, only_courses))
    made.with_transformation(_transformation("joinByField", {"byField": "merchant", "mode": "outer"}))
    made.with_transformation(_transformation("organize", RANKING_COLUMNS))
    made.with_transformation(_transformation("sortBy", {"sort": [{"field": "Multiple", "desc": True}]}))
    made.with_transformation(_transformation("limit", {"limitField": 15}))
    made.override_by_name("Multiple", [_property("custom.cellOptions", BAR_CELL), _property("color", SCHEME)])
    return made.override_by_name("Its way there", [_property("custom.cellOptions", SPARKLINE_CELL)])


RANKING_COLUMNS: Final[dict[str, Any]] = {
    "excludeByName": {"Time": True},
    "indexByName": {"merchant_name": 0, "Value #B": 1, "Trend #A": 2, "merchant": 3},
    "renameByName": {
        "merchant_name": "Merchant",
        "merchant": "Id",
        "Value #B": "Multiple",
        "Trend #A": "Its way there",
    },
}
BAR_CELL: Final = common_models.TableBarGaugeCellOptions(
    mode=common_models.BarGaugeDisplayMode.BASIC,
    value_display_mode=common_models.BarGaugeValueMode.TEXT,
)
SPARKLINE_CELL: Final = {"type": "sparkline", "hideValue": True, "lineWidth": 1, "fillOpacity": 15}
SCHEME: Final = {"mode": "thresholds"}


def _transformation(
    name: str, options: dict[str, Any], only: models.MatcherConfig | None = None
) -> models.DataTransformerConfig:
    return models.DataTransformerConfig(id_val=name, options=options, filter_val=only)


def _property(name: str, value: object) -> models.DynamicConfigValue:
    return models.DynamicConfigValue(id_val=name, value=value)


BUILDERS: Final[dict[Kind, Callable[[Panel], Rendered]]] = {
    "stat": _stat,
    "curves": _curves,
    "bars": _bars,
    "heatmap": _heatmap,
    "states": _states,
    "list": _list,
    "ranking": _ranking,
}
