"""Never back in time: what Redis showed before this run, and who has to catch up with it first."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from operators.batches import BoardRows


def behind(progress: Mapping[str, int], shown: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Partitions in which ``progress`` has not reached ``shown``: name to (ours, shown)."""
    return {
        source: (progress.get(source, 0), offset)
        for source, offset in shown.items()
        if progress.get(source, 0) < offset
    }


class CatchingUp:
    """Which shards, and whether the board, are behind what Redis shows from the run before.

    ``read_progress``: a shard's progress hash in Redis. Who has caught up once stays so.
    """

    def __init__(self, read_progress: Callable[[int], Mapping[str, int]]) -> None:
        self._read_progress = read_progress
        self._shown: dict[int, Mapping[str, int]] = {}
        self._board_shown: tuple[int, int] | None = None

    def forget(self) -> None:
        """Redis shows nothing any more: nobody is behind."""
        self._shown = {shard: {} for shard in self._shown}
        self._board_shown = None

    def held(self, offered: Mapping[int, Mapping[str, int]]) -> dict[int, dict[str, tuple[int, int]]]:
        """The shards of ``offered`` that are behind, and in which partitions."""
        result = {}
        for shard, progress in offered.items():
            if shard not in self._shown:
                self._shown[shard] = self._read_progress(shard)
            missing = behind(progress, self._shown[shard])
            if missing:
                result[shard] = missing
            else:
                self._shown[shard] = {}
        return result

    def board_shows(self, watermark_ms: int, newest_ms: int) -> None:
        """Watermark and newest event time that ``meta`` had at the start."""
        self._board_shown = (watermark_ms, newest_ms)

    def holds_board(self, rows: BoardRows) -> bool:
        """Whether the board is behind the one that Redis shows."""
        shown = self._board_shown
        if shown is not None and (rows.watermark_ms < shown[0] or rows.newest_ms < shown[1]):
            return True
        self._board_shown = None
        return False
