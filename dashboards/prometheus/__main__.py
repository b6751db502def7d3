"""``python -m dashboards.prometheus``: write the rules, the configurations and the runbook's alerts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import yaml

from dashboards.prometheus.pipeline_alerts import PIPELINE, WARROOM_JOB
from dashboards.prometheus.recording import RECORDINGS
from dashboards.prometheus.rehearsal_alerts import REHEARSAL
from dashboards.prometheus.routes import alertmanager_file
from dashboards.prometheus.rule import Group, rule_file
from dashboards.prometheus.runbook import with_runbook
from dashboards.prometheus.sales_alerts import SALES
from dashboards.prometheus.scraping import prometheus_file, targets_file

PUBLISHED: Final = Path(__file__).parent / "published"
RUNBOOK: Final = Path(__file__).parents[2] / "docs" / "operations.md"
GROUPS: Final[tuple[Group, ...]] = (RECORDINGS, SALES, PIPELINE, REHEARSAL)
HEAD: Final = "# Written by python -m dashboards.prometheus; edit the Python beside this folder instead.\n"


def yaml_text(content: dict[str, Any]) -> str:
    """YAML as people write it: no flow style, keys in their order, lines of readable length."""
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return text


def published() -> dict[Path, str]:
    """Every generated file with its text."""
    return {
        PUBLISHED / "warroom-rules.yml": HEAD + yaml_text(rule_file(GROUPS)),
        PUBLISHED / "prometheus.yml": HEAD + yaml_text(prometheus_file()),
        PUBLISHED / "alertmanager.yml": HEAD + yaml_text(alertmanager_file()),
        PUBLISHED / "targets" / "warroom.json": _json(targets_file(WARROOM_JOB, "127.0.0.1", 9464, 2)),
        PUBLISHED / "targets" / "loadgen.json": _json(targets_file("loadgen", "127.0.0.1", 9500, 1)),
        RUNBOOK: with_runbook(RUNBOOK.read_text(encoding="utf-8"), GROUPS),
    }


def _json(content: list[dict[str, Any]]) -> str:
    return json.dumps(content, indent=1) + "\n"


if __name__ == "__main__":
    for file, text in published().items():
        file.write_text(text, encoding="utf-8")
        print(file)
