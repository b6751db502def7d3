"""The runbook's part that comes from the rules: what each alert means, what to do, what is recorded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from dashboards.prometheus.rule import Alert, Group, Recording, one_line

BEGIN: Final = "<!-- The alerts: written by python -m dashboards.prometheus -->"
END: Final = "<!-- The end of the alerts -->"


def runbook(groups: Iterable[Group]) -> str:
    """All alerts as Markdown, one section each; rules of one name (steps) share theirs."""
    alerts = [rule for group in groups for rule in group.rules if isinstance(rule, Alert)]
    return "\n\n".join(_section(list(steps)) for _, steps in groupby(alerts, key=lambda alert: alert.name))


def recorded_series(groups: Iterable[Group]) -> str:
    """What is recorded, as a Markdown table."""
    recordings = [rule for group in groups for rule in group.rules if isinstance(rule, Recording)]
    rows = [f"| `{rule.name}` | {rule.why} |" for rule in recordings]
    return "\n".join(["| recorded series | what it is |", "|---|---|", *rows])


def _section(steps: list[Alert]) -> str:
    first = steps[0]
    lines = [f"### {first.name}", "", _line(f"{_severity(steps)}, {first.area}", first)]
    return "\n".join([*lines, "", one_line(first.means), "", f"**Do:** {one_line(first.do)}"])


def _severity(steps: list[Alert]) -> str:
    return " or ".join(dict.fromkeys(f"**{step.severity}**" for step in steps))


def _line(what: str, alert: Alert) -> str:
    held = f"held for {alert.hold_s:g} s" if alert.hold_s else "at once"
    step = "; one rule a step, this is the first" if dict(alert.labels).get("step") else ""
    return f"{what}, {held}{step}: `{one_line(alert.expr)}`"


def with_runbook(document: str, groups: Sequence[Group]) -> str:
    """The document with the part between its two marks written anew. Raises ``ValueError`` without marks."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{runbook(groups)}\n\n{recorded_series(groups)}\n\n{END}{after}"
