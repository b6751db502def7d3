"""What a rule is, as data, and how a set of them becomes Prometheus's YAML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from schemas.alerts import Severity

Area = Literal["sales", "pipeline", "rehearsal"]
"""Who is told: people who watch the sale, people who watch the machines, people who rehearse."""

EVERY_WORKER = "all"
"""``instance`` of what concerns all workers at once, so that dashboards that choose by instance show it."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How often rules are evaluated, and how patient alerts are.

    ``patience`` scales every ``hold_s``; tests set it to 0 to see an alert at once.
    """

    every_s: float = 5.0
    patience: float = 1.0

    def hold(self, seconds: float) -> str:
        """How long a condition has to hold, as Prometheus writes it."""
        return duration(seconds * self.patience)


def duration(seconds: float) -> str:
    """A duration as Prometheus writes it: whole seconds, or milliseconds."""
    return f"{seconds:g}s" if seconds == round(seconds) else f"{round(seconds * 1000)}ms"


@dataclass(frozen=True, slots=True)
class Recording:
    """A series that is computed once and asked often. The name says level, metric and window."""

    name: str
    expr: str
    why: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One alerting rule and what it tells the person who is woken.

    ``hold_s``: for how long ``expr`` has to give a series. ``summary`` may use labels and value, as in
    Prometheus's templates; ``means`` and ``do`` are the runbook's. Texts may be broken into lines anywhere.
    """

    name: str
    expr: str
    hold_s: float
    severity: Severity
    area: Area
    summary: str
    means: str
    do: str
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after the other, so that alerts see what was just recorded."""

    name: str
    rules: tuple[Recording | Alert, ...]


def rule_file(groups: tuple[Group, ...], timing: Timing = Timing()) -> dict[str, Any]:
    """A rule file's content."""
    return {
        "groups": [
            {
                "name": group.name,
                "interval": duration(timing.every_s),
                "rules": [_rule(rule, timing) for rule in group.rules],
            }
            for group in groups
        ]
    }


def _rule(rule: Recording | Alert, timing: Timing) -> dict[str, Any]:
    if isinstance(rule, Recording):
        return {"record": rule.name, "expr": one_line(rule.expr)}
    return {
        "alert": rule.name,
        "expr": one_line(rule.expr),
        "for": timing.hold(rule.hold_s),
        "labels": {"severity": rule.severity, "area": rule.area, **dict(rule.labels)},
        "annotations": {
            "summary": one_line(rule.summary),
            "description": one_line(rule.means),
            "action": one_line(rule.do),
            "runbook": f"docs/operations.md#{rule.name.lower()}",
        },
    }


def one_line(text: str) -> str:
    """A text that was broken into lines, without the breaks."""
    return " ".join(text.split())
