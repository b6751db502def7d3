"""What a peer tells of itself: events, first and last, CPU seconds, as one JSON line."""

from __future__ import annotations

import json
import resource
import time


class Stopwatch:
    """Seconds from the first event to the last. ``counted``: events in the results."""

    def __init__(self) -> None:
        self.events = 0
        self.counted = 0
        self._first = 0.0
        self._last = 0.0

    def event(self) -> None:
        """One event has been read."""
        self.events += 1
        if self.events % 1000 == 1:
            self._last = time.time()
            self._first = self._first or self._last

    def touch(self) -> None:
        """Something came out."""
        self._last = time.time()
        self._first = self._first or self._last

    def print_report(self) -> None:
        """One line for the benchmark."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = usage.ru_utime + usage.ru_stime + children.ru_utime + children.ru_stime
        told = {
            "events": self.events,
            "counted": self.counted,
            "seconds": max(self._last, self._first) - self._first,
            "cpu_seconds": cpu,
            "peak_mib": usage.ru_maxrss / 1024,
        }
        print(json.dumps(told), flush=True)
