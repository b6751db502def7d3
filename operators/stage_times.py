"""Where a worker's CPU time goes, by stage of the data's way: two readings of a thread's clock a batch.

The stages run one after the other in the dataflow's thread; what that thread spends outside of them is
Bytewax, the exchange between processes and the interpreter. Threads that work beside it (Redis, the Kafka
client) are told apart by their own clocks. All of it together is the CPU time of the process since its
first reading: what starting took is left out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

CONSUME, DECODE, DEDUP, TALLY = "consume", "decode", "dedup", "tally"
WINDOWS, RESULTS, ROLLUPS, SNAPSHOT = "windows", "results", "rollups", "snapshot"
STAGES: Final = (CONSUME, DECODE, DEDUP, TALLY, WINDOWS, RESULTS, ROLLUPS, SNAPSHOT)
"""In the order in which the data takes them."""
EXCHANGE: Final = "exchange"
"""The rest of the dataflow's thread: Bytewax, pickling between processes, the interpreter."""
PUBLISH: Final = "publish"
CLIENT: Final = "client"
"""Threads that are nobody else's: librdkafka's, the metrics server's."""
ALL_STAGES: Final = (*STAGES[:4], EXCHANGE, *STAGES[4:], PUBLISH, CLIENT)


class StageTimes:
    """CPU seconds by stage. ``start`` and ``lap`` are called by the dataflow's thread alone."""

    def __init__(self, thread_s: Callable[[], float] = time.thread_time) -> None:
        self._thread_s = thread_s
        self._seconds = dict.fromkeys(STAGES, 0.0)
        self._dataflow: int | None = None
        self._dataflow_before_s = 0.0
        self._others_before_s = 0.0
        self._publisher: int | None = None
        self.laps = 0
        """How often something was booked: whoever sees the same number twice saw no stage at work between."""

    def start(self) -> float:
        """A reading, for ``lap``."""
        if self._dataflow is None:
            self._dataflow = threading.get_ident()
            self._dataflow_before_s = _thread_seconds(self._dataflow)
            self._others_before_s = time.process_time() - self._dataflow_before_s
        return self._thread_s()

    def lap(self, stage: str, since: float) -> float:
        """Book what has passed ``since`` a reading on a stage; the new reading."""
        now = self._thread_s()
        self._seconds[stage] += now - since
        self.laps += 1
        return now

    def this_thread_publishes(self) -> None:
        """The calling thread writes to Redis: all its time is ``publish``."""
        self._publisher = threading.get_ident()

    def seconds(self) -> dict[str, float]:
        """CPU seconds of this process so far by ``ALL_STAGES``. May be called from any thread."""
        told = dict(self._seconds)
        staged = sum(told.values())
        dataflow = max(_thread_seconds(self._dataflow) - self._dataflow_before_s, staged)
        publish = _thread_seconds(self._publisher)
        told[EXCHANGE] = dataflow - staged
        told[PUBLISH] = publish
        others = time.process_time() - self._dataflow_before_s - dataflow - self._others_before_s
        told[CLIENT] = max(0.0, others - publish)
        return {stage: told[stage] for stage in ALL_STAGES}


def _thread_seconds(thread: int | None) -> float:
    if thread is None:
        return 0.0
    try:
        return time.clock_gettime(time.pthread_getcpuclockid(thread))
    except OSError:  # it has ended
        return 0.0
