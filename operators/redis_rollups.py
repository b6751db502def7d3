"""Roll-ups as Redis commands, and those that wait to be written."""

from __future__ import annotations

from collections.abc import Mapping

from operators.redis_board import hash_commands, listed_command
from operators.redis_command import command
from operators.rollup_delta import Value
from operators.rollup_results import Fields, RollupRows
from schemas import redis_layout

ROLLUPS_PER_WRITE = 100


class PendingRollups:
    """Newest fields of roll-ups that are not written yet, and the progress that is in them."""

    def __init__(self) -> None:
        self._rows: dict[Value, Fields] = {}
        self.progress: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, rows: RollupRows) -> None:
        """Take rows; they replace those that wait of the same values."""
        self._rows.update(rows.rows)
        self.progress = rows.progress

    def take(self) -> dict[Value, Fields]:
        """Some rows, for one transaction."""
        return {value: self._rows.pop(value) for value in list(self._rows)[:ROLLUPS_PER_WRITE]}

    def put_back(self, rows: Mapping[Value, Fields]) -> None:
        """Rows that were taken and not written, unless there are newer ones."""
        for value, fields in rows.items():
            self._rows.setdefault(value, fields)


def rollup_commands(
    rows: Mapping[Value, Fields], progress: Mapping[str, int], prefix: str, now_ms: int
) -> list[bytes]:
    """Rows replaced by what they are now, and the progress that is in them. For one transaction."""
    commands = []
    for (dimension, value), fields in rows.items():
        commands += hash_commands(redis_layout.rollup(prefix, dimension, value), fields, now_ms)
        commands.append(listed_command(prefix, dimension, value, fields))
    pairs = [part for source, at in progress.items() for part in (source.encode(), b"%d" % at)]
    if pairs:
        key = redis_layout.rollup_progress(prefix).encode()
        commands += [command(b"DEL", key), command(b"HSET", key, *pairs)]
    return commands
