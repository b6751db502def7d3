"""The table of ``warroom run --profile``."""

from __future__ import annotations

import io
from collections import Counter

from rich.console import Console

from operators.stage_times import ALL_STAGES
from warroom.metrics_reader import Vitals
from warroom.profile import WHAT, profile_table


def lines_of(vitals: Vitals) -> list[str]:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(profile_table(vitals))
    return console.export_text().splitlines()


def test_every_stage_has_its_microseconds_and_its_share_in_80_columns() -> None:
    vitals = Vitals(events=Counter(accepted=900_000, duplicate=100_000))
    vitals.stage_seconds.update(dict.fromkeys(ALL_STAGES, 1 / len(ALL_STAGES)))
    lines = lines_of(vitals)
    assert lines[0].strip() == "1,000,000 events, 1.0 CPU s"
    for stage in ALL_STAGES:
        assert any(line.strip().startswith(stage) and "0.091" in line and "9.1%" in line for line in lines)
    assert lines[-1].split()[:1] == ["all"]
    assert max(len(line) for line in lines) <= 80


def test_without_events_there_are_no_figures_and_no_error() -> None:
    assert "–" in lines_of(Vitals())[-1]


def test_every_stage_is_explained() -> None:
    assert set(WHAT) == set(ALL_STAGES)
