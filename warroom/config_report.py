"""``warroom config``: what is in force and where each value comes from, at 80 columns."""

from __future__ import annotations

from itertools import groupby
from typing import Final

from warroom.config import Configuration, shown

WIDTH: Final = 80
_KEY_WIDTH: Final = 22
_ORIGIN_WIDTH: Final = 29


def config_text(configuration: Configuration) -> str:
    """One line a setting under its section; secrets hidden; long values wrap under themselves."""
    lines: list[str] = []
    pairs = configuration.settings.flat().items()
    for section, members in groupby(pairs, key=lambda pair: pair[0].partition(".")[0]):
        lines += ["", f"[{section}]"]
        for path, value in members:
            key = path.partition(".")[2]
            lines += _entry(key, shown(path, value), configuration.origin(path))
    return "\n".join(lines[1:]) + "\n"


def _entry(key: str, value: str, origin: str) -> list[str]:
    room = WIDTH - _KEY_WIDTH - _ORIGIN_WIDTH - 4
    if len(key) <= _KEY_WIDTH and len(value) <= room and len(origin) <= _ORIGIN_WIDTH:
        return [f"  {key:<{_KEY_WIDTH}} {value:<{room}} {origin}".rstrip()]
    cut = WIDTH - 6
    parts = [value[i : i + cut] for i in range(0, len(value), cut)] or [""]
    return [f"  {key}", *(f"      {part}" for part in parts), f"      from {origin}"]
