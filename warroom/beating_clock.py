"""The clock of a worker process that shows that the worker lives."""

from __future__ import annotations

from operators.batches import Progress
from operators.metrics_server import Heartbeat
from operators.process_clock import ProcessClock
from warroom.worker_report import Reporter


class BeatingClock(ProcessClock):
    """A process clock that gives a sign of life whenever the flow looks at it.

    It tells, once, that a shard of this process has taken events that were new to this run.
    """

    def __init__(self, reporter: Reporter, heartbeat: Heartbeat) -> None:
        self.heartbeat = heartbeat
        self._reporter = reporter
        self._stopping = False
        self._consuming = False
        self._first_offsets: dict[str, int] = {}
        super().__init__()

    def note(self, progress: Progress) -> None:
        """Remember a partition's progress: a shard has taken an item."""
        self._beat()
        # Until it has moved, a source says where it stood when this run began.
        if not self._consuming and progress.next_offset > self._first_offsets.setdefault(
            progress.source, progress.next_offset
        ):
            self._consuming = True
            self._reporter.consuming()
        super().note(progress)

    def _beat(self) -> None:
        self.heartbeat.beat()
        self._reporter.beat()

    @property
    def stopping(self) -> bool:
        """Whether to stop reading: a source asks before each batch."""
        self._beat()
        return self._stopping

    @stopping.setter
    def stopping(self, value: bool) -> None:
        self._stopping = value
