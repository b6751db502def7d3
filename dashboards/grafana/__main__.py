"""``python -m dashboards.grafana``: write the dashboards' JSON where Grafana's provisioning finds it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dashboards.grafana import any_merchant
from dashboards.grafana.definition import Board
from dashboards.grafana.merchant import merchant
from dashboards.grafana.pipeline import pipeline
from dashboards.grafana.rehearsal import rehearsal
from dashboards.grafana.render import json_text
from dashboards.grafana.war_room import war_room

PUBLISHED: Final = Path(__file__).parent / "published"
BOARDS: Final[tuple[Board, ...]] = (war_room(), merchant(), pipeline(), rehearsal())
"""Those that ask Prometheus."""


def published() -> dict[Path, str]:
    """Every dashboard's file with its text."""
    texts = {board.uid: json_text(board) for board in BOARDS} | {any_merchant.UID: any_merchant.json_text()}
    return {PUBLISHED / f"{uid}.json": text for uid, text in texts.items()}


if __name__ == "__main__":
    for file, text in published().items():
        file.write_text(text, encoding="utf-8")
        print(file)
