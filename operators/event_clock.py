"""The watermark: how far event time has come, by the progress of all input partitions.

``newest``: the greatest event time of any partition; results are shown up to it. ``watermark``: the least
over the partitions of their greatest event time, less the lateness; what it has passed is closed. There is
none until every partition that may have data has been heard. A partition that is at its end and silent does
not hold it back; one with a backlog always does. No wall clock is read here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from operators.batches import NO_EVENT_MS, Progress, Standing
from schemas.windows import MINUTE_MS


class EventClock:
    """Event time as one shard knows it. ``sources``: every partition (``topic/number``) that will report."""

    def __init__(self, sources: Iterable[str], lateness_ms: int) -> None:
        self.progress: dict[str, Progress | None] = dict.fromkeys(sources)
        self.lateness_ms = lateness_ms
        self.newest_ms = NO_EVENT_MS
        self.watermark_ms = NO_EVENT_MS

    def hear(self, progress: Progress) -> None:
        """Take a partition's progress; both times only ever rise."""
        self.progress[progress.source] = progress
        self.newest_ms = max(self.newest_ms, progress.newest_ms)
        self.watermark_ms = max(self.watermark_ms, self._watermark())

    def _watermark(self) -> int:
        standings = [p.standing if p else Standing.LIVE for p in self.progress.values()]
        if self.newest_ms == NO_EVENT_MS:
            return NO_EVENT_MS
        if all(s is Standing.ENDED for s in standings):
            # The end of a bounded run closes what it has: up to the end of the newest event's minute.
            return (self.newest_ms // MINUTE_MS + 1) * MINUTE_MS
        holding = [
            p.newest_ms if p else NO_EVENT_MS
            for p in self.progress.values()
            if p is None or p.standing is Standing.LIVE
        ]
        if not holding:
            return self.newest_ms - self.lateness_ms
        slowest_ms = min(holding)
        return slowest_ms - self.lateness_ms if slowest_ms != NO_EVENT_MS else NO_EVENT_MS

    def resume(self, sources: Iterable[str], lateness_ms: int) -> None:
        """Begin a new run with what the last one knew: every partition may have more to say."""
        known = self.progress
        self.progress = {
            source: replace(held, standing=Standing.LIVE) if (held := known.get(source)) else None
            for source in sources
        }
        self.lateness_ms = lateness_ms

    @property
    def offsets(self) -> dict[str, int]:
        """Next offset of every partition that has been heard."""
        return {source: p.next_offset for source, p in self.progress.items() if p is not None}
