"""Rules and configurations: what is published is what the code says, and Prometheus's own tools approve."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboards.prometheus.__main__ import GROUPS, PUBLISHED, published
from dashboards.prometheus.pipeline_alerts import PIPELINE
from dashboards.prometheus.recording import RECORDINGS
from dashboards.prometheus.rehearsal_alerts import REHEARSAL
from dashboards.prometheus.rule import Alert, Recording, Timing, rule_file
from dashboards.prometheus.runbook import with_runbook
from dashboards.prometheus.sales_alerts import SALES
from dashboards.prometheus.scraping import targets_file
from tests.dashboards.servers import checked, program

SCENES = sorted((Path(__file__).parent / "promtool").glob("*.yml"))
ALERTS = [rule for group in GROUPS for rule in group.rules if isinstance(rule, Alert)]


@pytest.mark.parametrize("file", published(), ids=lambda file: file.name)
def test_every_generated_file_is_what_the_code_says(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == published()[file], "run: python -m dashboards.prometheus"


def test_promtool_approves_of_the_configuration_and_all_rules() -> None:
    said = checked(program("promtool"), "check", "config", PUBLISHED / "prometheus.yml")
    assert f"SUCCESS: {sum(len(g.rules) for g in GROUPS)} rules found" in said


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.stem)
def test_rules_do_what_each_scene_says(scene: Path) -> None:
    assert "SUCCESS" in checked(program("promtool"), "test", "rules", scene)


def test_every_alert_is_fired_in_a_scene() -> None:
    told = "".join(scene.read_text(encoding="utf-8") for scene in SCENES)
    assert [alert.name for alert in ALERTS if f'"{alert.name}"' not in told] == []


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_says_in_whole_sentences_what_it_means_and_what_to_do(alert: Alert) -> None:
    assert alert.summary.strip()
    for text in (alert.means, alert.do):
        assert len(text.split()) >= 8
        assert text.strip()[-1] in ".?)"


def test_names_of_recorded_series_state_level_and_window() -> None:
    for rule in RECORDINGS.rules:
        assert isinstance(rule, Recording)
        level, metric, operation = rule.name.split(":")
        assert level in ("job", "instance")
        assert metric.startswith("warroom_")
        windowed = "[" in rule.expr or "window=" in rule.expr
        assert not windowed or operation.endswith(("1m", "2m", "5m", "1h", "day"))


def test_tests_may_make_alerts_impatient_without_another_text() -> None:
    patient, hasty = rule_file(GROUPS), rule_file(GROUPS, Timing(every_s=1, patience=0))
    assert {rule["for"] for group in hasty["groups"] for rule in group["rules"] if "alert" in rule} == {"0s"}
    for one, other in zip(patient["groups"], hasty["groups"], strict=True):
        assert [r["expr"] for r in one["rules"]] == [r["expr"] for r in other["rules"]]


def test_amtool_approves_of_the_routes() -> None:
    assert "SUCCESS" in checked(program("amtool"), "check-config", PUBLISHED / "alertmanager.yml")


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        (("alertname=WarroomMerchantTakesOff", "area=sales", "severity=info"), "war-room"),
        (("alertname=WarroomTotalFarBelowPace", "area=sales", "severity=warning"), "war-room"),
        (("alertname=WarroomChannelDark", "area=sales", "severity=critical"), "on-call,war-room"),
        (("alertname=WarroomLagGrows", "area=pipeline", "severity=warning"), "on-call"),
        (("alertname=LoadgenBehind", "area=rehearsal", "severity=warning"), "rehearsal"),
        (("alertname=SomebodyElses",), "on-call"),
    ],
)
def test_an_alert_reaches_whom_it_concerns(labels: tuple[str, ...], receivers: str) -> None:
    config = PUBLISHED / "alertmanager.yml"
    told = checked(program("amtool"), "config", "routes", "test", f"--config.file={config}", *labels)
    assert told.splitlines()[0] == receivers


def test_each_worker_is_a_target_on_a_port_of_its_own() -> None:
    assert targets_file("warroom", "host", 9464, 3) == [
        {"targets": ["host:9464", "host:9465", "host:9466"], "labels": {"job": "warroom"}}
    ]


def test_the_runbook_has_a_section_for_every_alert() -> None:
    document = with_runbook(PUBLISHED.parents[2].joinpath("docs/operations.md").read_text(), GROUPS)
    sections = [line.removeprefix("### ") for line in document.splitlines() if line.startswith("### ")]
    assert [name for name in dict.fromkeys(alert.name for alert in ALERTS) if name not in sections] == []


def test_a_document_without_marks_is_not_overwritten() -> None:
    with pytest.raises(ValueError, match="has no lines"):
        with_runbook("# Operations\n", GROUPS)


def test_areas_are_those_that_the_routes_know() -> None:
    areas = {"sales": SALES, "pipeline": PIPELINE, "rehearsal": REHEARSAL}
    for area, group in areas.items():
        assert {rule.area for rule in group.rules if isinstance(rule, Alert)} == {area}
