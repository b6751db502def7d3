"""Every query of every panel, rule and variable, asked of a real Prometheus beside the flow and loadgen."""

from __future__ import annotations

import math
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dashboards.grafana.__main__ import BOARDS
from dashboards.grafana.definition import Board, Query, Variable
from dashboards.prometheus.__main__ import GROUPS
from dashboards.prometheus.rule import Alert, Recording, one_line
from schemas import redis_layout
from schemas.windows import WINDOWS
from tests.dashboards.conftest import STAR, THE_NIGHT, Proof
from tests.dashboards.metrics_table import Documented, documented, metric_names

pytestmark = THE_NIGHT

PREFIX = redis_layout.DEFAULT_PREFIX
FILLED_IN = {"$__rate_interval": "1m", "$__range": "2m", "$job": ".+", "$instance": ".+", "$merchant": STAR}
RECORDED = [rule for group in GROUPS for rule in group.rules if isinstance(rule, Recording)]
ALERTS = [rule for group in GROUPS for rule in group.rules if isinstance(rule, Alert)]
IN_FEN = ("gmv", "refunds")
"""Redis has amounts in fen, metrics in yuan."""


def filled_in(expr: str) -> str:
    """The expression with everything chosen, as Grafana sends it."""
    for variable, value in FILLED_IN.items():
        expr = expr.replace(variable, value)
    return expr


def asked() -> list[tuple[str, Query]]:
    """Every query of every dashboard under a name that finds it."""
    found = []
    for board in BOARDS:
        found.append((f"{board.uid}: annotations", board.marks))
        for panel in board.panels:
            found += [(f"{board.uid}: {panel.title} {i}", query) for i, query in enumerate(panel.queries)]
    return found


@pytest.mark.parametrize(("name", "query"), asked(), ids=[name for name, _ in asked()])
def test_every_query_of_every_panel_gives_plausible_data(proof: Proof, name: str, query: Query) -> None:
    series = proof.series(filled_in(query.expr))
    assert series, f"{name} gives nothing: {filled_in(query.expr)}"
    for labels, value in series:
        assert query.low <= value <= query.high, (labels, value)


VARIABLES: list[tuple[Board, Variable]] = [(board, v) for board in BOARDS for v in board.variables]


@pytest.mark.parametrize(("board", "variable"), VARIABLES, ids=[f"{b.uid} {v.name}" for b, v in VARIABLES])
def test_every_variable_has_values_to_choose(proof: Proof, board: Board, variable: Variable) -> None:
    selector = filled_in(variable.selector)
    values = proof.night.prometheus.ask(f"label/{variable.label_name}/values", **{"match[]": selector})
    expected = {
        "job": {"warroom", "loadgen"} if "loadgen" in selector else {"warroom"},
        "instance": {f"127.0.0.1:{proof.night.first_port}"},
        "merchant": {STAR},
    }
    assert expected[variable.name] <= set(values), board.uid


@pytest.mark.parametrize("rule", RECORDED, ids=lambda rule: rule.name)
def test_every_recorded_series_is_there(proof: Proof, rule: Recording) -> None:
    series = proof.series(rule.name)
    assert series
    assert all(math.isfinite(value) and value >= 0 for _, value in series)


@pytest.mark.parametrize(
    "alert", ALERTS, ids=lambda alert: f"{alert.name}{dict(alert.labels).get('step', '')}"
)
def test_every_alert_reads_series_that_exist(proof: Proof, alert: Alert) -> None:
    """An alert's expression is empty while all is well; each selector in it must not be."""
    for selector in re.findall(r"[a-z_:]+\{[^}]*\}|\b(?:warroom|loadgen|job:|instance:)[\w:]+", alert.expr):
        present = re.sub(r'"merchant"', "", selector)
        assert proof.series(present), f"{alert.name}: no {selector}"


def test_no_rule_has_failed(proof: Proof) -> None:
    groups = proof.night.prometheus.ask("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == len(RECORDED) + len(ALERTS)
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] != "ok"] == []


def test_the_restart_is_told_as_one(proof: Proof) -> None:
    assert {v for _, v in proof.series("warroom_restarts_total")} == {1.0}
    fired = proof.series('ALERTS{alertname="WarroomRestarted",alertstate="firing"}')
    assert [labels["instance"] for labels, _ in fired] == ["all"]


def close(metric: float, text: str, scale: float) -> bool:
    return math.isclose(metric, float(text) * scale, rel_tol=1e-9, abs_tol=1e-6)


def test_totals_in_prometheus_equal_redis(proof: Proof) -> None:
    shown = proof.night.hash_of(redis_layout.rollup(PREFIX, "total", "all"))
    told = {
        redis_layout.field(labels["measure"], labels["window"]): value
        for labels, value in proof.night.prometheus.instant("warroom_total")
    }
    in_windows = {name for name in shown if name.rpartition(":")[2] in WINDOWS}
    assert told.keys() == in_windows
    wrong = {
        name: (told[name], shown[name])
        for name in told
        if not close(told[name], shown[name], 0.01 if name.split(":")[0] in IN_FEN else 1.0)
    }
    assert wrong == {}


def test_leaders_in_prometheus_equal_redis(proof: Proof) -> None:
    told = proof.night.prometheus.instant("warroom_top")
    assert {labels["metric"] for labels, _ in told} >= {"sales_multiple", "gmv", "orders"}
    for labels, value in told:
        metric, window, merchant_id = labels["metric"], labels["window"], labels["merchant"]
        score = proof.night.results.zscore(redis_layout.top(PREFIX, metric, window), merchant_id)
        assert score is not None, labels
        assert close(value, str(score), 0.01 if metric in IN_FEN else 1.0), (labels, score)
        shown = proof.night.hash_of(redis_layout.merchant(PREFIX, merchant_id))
        # Prometheus keeps no empty labels: a merchant without a baseline has no name.
        assert shown.get(redis_layout.NAME, "") == labels.get("merchant_name", "")


def test_differences_in_prometheus_are_those_that_verify_finds(proof: Proof) -> None:
    assert proof.night.prometheus.value("loadgen_verify_differences") == proof.differences > 0


def test_rollups_in_prometheus_equal_redis(proof: Proof) -> None:
    told = proof.night.prometheus.instant("warroom_rollup")
    assert {labels["dimension"] for labels, _ in told} >= {"channel", "category", "city_tier"}
    for labels, value in told:
        key = redis_layout.rollup(PREFIX, labels["dimension"], labels["value"])
        shown = proof.night.hash_of(key).get(redis_layout.field(labels["measure"], labels["window"]))
        assert shown is not None, labels
        assert close(value, shown, 0.01 if labels["measure"] in IN_FEN else 1.0), (labels, shown)


def test_the_newest_event_in_prometheus_is_that_of_redis(proof: Proof) -> None:
    newest_s = proof.night.prometheus.value("max(warroom_newest_event_timestamp_seconds)")
    shown_ms = proof.night.hash_of(redis_layout.meta(PREFIX))[redis_layout.EVENT_TIME]
    assert newest_s == int(shown_ms) / 1000


def test_every_exported_metric_is_documented_as_it_is(proof: Proof) -> None:
    exported: dict[str, Documented] = {}
    for page in proof.exported:
        for family in text_string_to_metric_families(page):
            if family.name.endswith("_created"):  # when a counter of prometheus-client began
                continue
            labels = {
                n for sample in family.samples for n in sample.labels if n != "le" or family.type == "gauge"
            }
            known = exported.setdefault(family.name, Documented(family.type, frozenset()))
            exported[family.name] = Documented(known.kind, known.labels | labels)
    table = documented()
    assert exported.keys() == table.keys()
    for name, found in exported.items():
        assert (name, found.kind) == (name, table[name].kind)
        assert found.labels == table[name].labels, name


def test_no_query_and_no_rule_asks_for_a_metric_that_is_not_documented() -> None:
    known = {rule.name for rule in RECORDED} | {"ALERTS", "up"} | metric_names(documented())
    expressions = [query.expr for _, query in asked()]
    expressions += [variable.selector for _, variable in VARIABLES]
    expressions += [one_line(rule.expr) for rule in RECORDED] + [one_line(rule.expr) for rule in ALERTS]
    for expr in expressions:
        bare = re.sub(r'"[^"]*"', '""', expr)
        for name in re.findall(r"\b(?:(?:job|instance):)?(?:warroom|loadgen|process)_[\w:]+", bare):
            assert name in known, (name, expr)
