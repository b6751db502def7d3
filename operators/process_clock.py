"""What one worker process knows about event time: how far every partition of the flow has been read.

Sources and shards of one process share one ``ProcessClock``. Shards hear the progress of every
partition, also of those read elsewhere, and note it here; sources ask it whether they are too far ahead.
It steers the pace only: no result is decided by it. It also keeps where the process spends its time.
"""

from __future__ import annotations

from operators.batches import NO_EVENT_MS, Progress, Standing
from operators.idle_turns import IdleTurns
from operators.stage_times import StageTimes

BACKLOG_SECONDS = 1.0
"""So long after a partition had a backlog, the process still reads one."""
BACKLOG_PUBLISH_SECONDS = 2.0
"""Time between results while a backlog is read: they are old anyway, until it is read."""


class ProcessClock:
    """Progress of all partitions, as the shards of this process have heard it."""

    def __init__(self) -> None:
        self._progress: dict[str, Progress] = {}
        self._baselines_through: set[str] = set()
        self._backlog_until = 0.0
        self._read_at = 0.0
        self.stages = StageTimes()
        """Where this process spends its time."""
        self.idle_turns = IdleTurns(self.stages)
        self.finishing = False
        """Set to read to the end of every partition, close all buckets and stop."""
        self.stopping = False
        """Set to stop reading at once, drain and take a last snapshot."""

    def note(self, progress: Progress) -> None:
        """Remember the newest progress of a partition."""
        known = self._progress.get(progress.source)
        if known is None or progress.next_offset >= known.next_offset:
            self._progress[progress.source] = progress

    def note_backlog(self, now: float) -> None:
        """Remember that a partition has more to read than a batch takes. ``now``: monotonic seconds."""
        self._backlog_until = now + BACKLOG_SECONDS

    def note_reading(self, now: float) -> None:
        """Remember when a partition was last asked for more."""
        self._read_at = max(self._read_at, now)

    def in_backlog(self) -> bool:
        """Whether a partition had more to read a moment ago than a batch takes.

        A moment before the last reading: at the end of an epoch none is read, which makes no backlog shorter.
        """
        return self._read_at < self._backlog_until

    def publish_seconds(self, asked: float) -> float:
        """Time until results are handed on again, where ``asked`` is wanted: longer during a backlog."""
        return max(asked, BACKLOG_PUBLISH_SECONDS) if self.in_backlog() else asked

    def note_baselines(self, progress: Progress) -> None:
        """Remember that a partition of baselines has been read to its end, once it has."""
        if progress.standing is not Standing.LIVE:
            self._baselines_through.add(progress.source)

    def baselines_through(self, sources: tuple[str, ...]) -> bool:
        """Whether all these partitions of baselines have been read to their end once."""
        return self._baselines_through.issuperset(sources)

    @property
    def slowest_ms(self) -> int:
        """Least newest event time of the partitions that hold the watermark; NO_EVENT_MS if none is known."""
        heard = [
            p.newest_ms
            for p in self._progress.values()
            if p.standing is Standing.LIVE and p.newest_ms != NO_EVENT_MS
        ]
        return min(heard, default=NO_EVENT_MS)

    @property
    def newest_ms(self) -> int:
        """Greatest event time of all partitions; NO_EVENT_MS if none is known."""
        return max((p.newest_ms for p in self._progress.values()), default=NO_EVENT_MS)
