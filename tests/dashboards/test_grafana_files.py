"""The dashboards' JSON: what the code says, what Grafana's linter asks, what people need."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.grafana import any_merchant
from dashboards.grafana.__main__ import BOARDS, PUBLISHED, published
from dashboards.grafana.definition import COLUMNS, Board, Panel

PROVISIONING = PUBLISHED.parent / "provisioning"
KNOWN_UNITS = {"none", "short", "percentunit", "bytes", "s", "cps", "wps", "currencyJPY", "bool_yes_no"}
"""Of Grafana's own names (packages/grafana-data, valueFormats/categories), those that are used here."""
DRAWN = ("stat", "timeseries", "bargauge", "heatmap", "table", "state-timeline")
COUNTER = re.compile(r"\b((?!warroom_total\b)\w+_total)\b")
"""warroom_total is a gauge: the total of all merchants."""

boards = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)


def document(board: Board) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((PUBLISHED / f"{board.uid}.json").read_text(encoding="utf-8"))
    return found


def panels(board: Board) -> list[dict[str, Any]]:
    return [panel for panel in document(board)["panels"] if panel["type"] != "row"]


def expressions(board: Board) -> list[str]:
    return [target["expr"] for panel in panels(board) for target in panel["targets"]]


def selectors(expr: str) -> list[str]:
    """Everything between braces: no expression here has braces elsewhere."""
    return re.findall(r"\{([^}]*)\}", expr)


@pytest.mark.parametrize("file", published(), ids=lambda file: file.name)
def test_the_published_json_is_what_the_code_says(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == published()[file], "run: python -m dashboards.grafana"


def test_there_is_no_other_json() -> None:
    assert sorted(PUBLISHED.glob("*.json")) == sorted(published())


@boards
def test_the_json_survives_a_round_trip_through_the_sdk(board: Board) -> None:
    read = Dashboard.from_json(document(board))
    again = json.loads(json.dumps(read, cls=JSONEncoder))
    assert [p["title"] for p in again["panels"]] == [p["title"] for p in document(board)["panels"]]
    assert again["templating"] == document(board)["templating"]


def test_the_four_dashboards_are_there_for_grafana_11() -> None:
    titles = [document(board)["title"] for board in BOARDS]
    assert titles == [f"Warroom / {name}" for name in ("War room", "Merchant", "Pipeline", "Rehearsal")]
    assert {document(board)["schemaVersion"] for board in BOARDS} == {41}


@boards
def test_nobody_edits_what_is_generated(board: Board) -> None:
    assert document(board)["editable"] is False


@boards
def test_each_dashboard_links_to_the_others_and_takes_time_and_variables_along(board: Board) -> None:
    (link,) = document(board)["links"]
    assert link["type"] == "dashboards"
    assert link["tags"] == document(board)["tags"] == ["warroom"]
    assert link["includeVars"]
    assert link["keepTime"]


@boards
def test_the_data_source_can_be_chosen_and_every_panel_uses_it(board: Board) -> None:
    first = document(board)["templating"]["list"][0]
    assert (first["name"], first["label"], first["type"], first["query"]) == (
        *("datasource", "Data source", "datasource", "prometheus"),
    )
    chosen = {"type": "prometheus", "uid": "$datasource"}
    assert all(panel["datasource"] == chosen for panel in panels(board))
    assert all(target["datasource"] == chosen for panel in panels(board) for target in panel["targets"])


@boards
@pytest.mark.parametrize("name", ["job", "instance"])
def test_job_and_instance_can_be_chosen(board: Board, name: str) -> None:
    (variable,) = [v for v in document(board)["templating"]["list"] if v["name"] == name]
    assert variable["type"] == "query"
    assert variable["label"] == name.capitalize()
    assert variable["datasource"]["uid"] == "$datasource"
    assert variable["multi"]
    assert variable["includeAll"]
    assert variable["allValue"] == ".+"
    assert variable["refresh"] == 2  # when the time range changes
    assert re.fullmatch(r"label_values\(.+, \w+\)", variable["query"])


@boards
def test_every_selector_honours_job_and_instance(board: Board) -> None:
    asked = [*expressions(board), board.marks.expr]
    for expr in asked:
        assert selectors(expr), expr
        for selector in selectors(expr):
            assert 'job=~"$job", instance=~"$instance"' in selector, expr


@boards
def test_every_panel_asks_and_says_what_and_in_which_unit(board: Board) -> None:
    for panel in panels(board):
        assert panel["type"] in DRAWN
        assert panel["title"]
        assert len(panel["description"]) > 40, panel["title"]
        assert "Thresholds: " in panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in KNOWN_UNITS, panel["title"]
        assert panel["targets"], panel["title"]


@boards
def test_a_panel_says_when_it_may_be_empty(board: Board) -> None:
    for panel in board.panels:
        for query in panel.queries:
            assert query.quiet in panel.description


@boards
def test_rates_follow_the_zoom_and_counters_are_never_shown_bare(board: Board) -> None:
    for expr in expressions(board):
        for function, range_ in re.findall(r"\b(\w+)\([^()]*\[([^\]]+)\]", expr):
            assert (function, range_) in {("rate", "$__rate_interval"), ("increase", "$__range")}, expr
        for counter in COUNTER.finditer(expr):
            assert re.search(rf"\b(rate|increase)\({counter.group()}\{{[^}}]*\}}\[", expr), expr


@boards
def test_titles_tell_panels_apart(board: Board) -> None:
    titles = [panel.title for panel in board.panels]
    assert len(set(titles)) == len(titles)


@boards
def test_no_two_panels_lie_on_each_other_and_none_leaves_the_grid(board: Board) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in document(board)["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= COLUMNS, panel["title"]
        assert not taken & cells, panel["title"]
        taken |= cells


@boards
def test_every_row_fills_the_grid(board: Board) -> None:
    for row in board.rows:
        left = COLUMNS
        for panel in row.panels:
            left -= panel.width
            assert left >= 0, (row.title, panel.title)
            left = left or COLUMNS
        assert left == COLUMNS, row.title


def test_thresholds_ascend_and_are_given_with_a_reason() -> None:
    everywhere: list[Panel] = [panel for board in BOARDS for panel in board.panels]
    for panel in everywhere:
        at = [step for step, _ in panel.thresholds.steps]
        assert at == sorted(set(at)), panel.title
        assert len(panel.thresholds.reason.split()) >= 6, panel.title


def test_the_wall_shows_its_numbers_large() -> None:
    first = BOARDS[0].rows[0]
    shown = [panel for panel in panels(BOARDS[0]) if panel["title"] in {p.title for p in first.panels}]
    assert [panel["options"]["text"]["valueSize"] for panel in shown] == [64] * len(first.panels)


def test_leaders_are_a_table_with_bars_and_sparklines() -> None:
    (ranking,) = [panel for panel in panels(BOARDS[0]) if panel["title"].startswith("Last hour's sales")]
    cells = [
        property_["value"]["type"]
        for override in ranking["fieldConfig"]["overrides"]
        for property_ in override["properties"]
        if property_["id"] == "custom.cellOptions"
    ]
    assert (ranking["type"], cells) == ("table", ["gauge", "sparkline"])
    assert "timeSeriesTable" in [step["id"] for step in ranking["transformations"]]


def test_provisioning_points_at_the_folder_of_the_json() -> None:
    provider = yaml.safe_load((PROVISIONING / "dashboards.yml").read_text())["providers"][0]
    assert Path(provider["options"]["path"]).name == PUBLISHED.name
    assert provider["disableDeletion"]
    assert not provider["allowUiUpdates"]
    sources = yaml.safe_load((PROVISIONING / "datasources.yml").read_text())["datasources"]
    assert [source["type"] for source in sources] == ["prometheus", any_merchant.PLUGIN]
    assert sources[0]["jsonData"]["timeInterval"] == "5s"


def test_any_merchant_is_asked_of_the_json_api() -> None:
    told = json.loads((PUBLISHED / f"{any_merchant.UID}.json").read_text(encoding="utf-8"))
    assert [v["name"] for v in told["templating"]["list"]] == ["infinity", "merchant"]
    assert told["links"][0]["tags"] == ["warroom"]
    for panel in told["panels"]:
        (target,) = panel["targets"]
        assert target["datasource"] == {"type": any_merchant.PLUGIN, "uid": "$infinity"}
        assert target["url"].startswith("/api/v1/")
        assert panel["description"]
