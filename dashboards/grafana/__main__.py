"""``python -m dashboards.grafana``: write the dashboards' JSON where Grafana's provisioning finds it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dashboards.grafana.definition import Board
from dashboards.grafana.merchant import merchant
from dashboards.grafana.pipeline import pipeline
from dashboards.grafana.rehearsal import rehearsal
from dashboards.grafana.render import json_text
from dashboards.grafana.war_room import war_room

PUBLISHED: Final = Path(__file__).parent / "published"
BOARDS: Final[tuple[Board, ...]] = (war_room(), merchant(), pipeline(), rehearsal())


def published_file(board: Board) -> Path:
    """Where a dashboard's JSON stands."""
    return PUBLISHED / f"{board.uid}.json"


if __name__ == "__main__":
    for each in BOARDS:
        published_file(each).write_text(json_text(each), encoding="utf-8")
        print(published_file(each))
