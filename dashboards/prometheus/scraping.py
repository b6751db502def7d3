"""What Prometheus is told: whom to ask, which rules to keep, whom to alert."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dashboards.prometheus.rule import duration


def prometheus_file(
    rules: Sequence[str] = ("warroom-rules.yml",),
    targets: Sequence[str] = ("targets/*.json",),
    alertmanagers: Sequence[str] = ("127.0.0.1:9093",),
    every_s: float = 5.0,
) -> dict[str, Any]:
    """Prometheus's configuration. Paths are relative to the file's own folder."""
    every = duration(every_s)
    return {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": list(rules),
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": list(alertmanagers)}]}]},
        # The job's name comes from the targets' files: one for the war room's workers, one for loadgen.
        "scrape_configs": [
            {"job_name": "warroom-and-loadgen", "file_sd_configs": [{"files": list(targets)}]},
        ],
    }


def targets_file(job: str, host: str, first_port: int, processes: int) -> list[dict[str, Any]]:
    """Worker i answers on ``metrics.port`` + i: a file that Prometheus reads anew when it changes."""
    targets = [f"{host}:{port}" for port in range(first_port, first_port + processes)]
    return [{"targets": targets, "labels": {"job": job}}]
