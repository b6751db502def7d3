"""When each message is due: the open loop's clock, which waits for no broker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loadgen.draws import I64
from loadgen.json_bytes import Messages
from loadgen.stream import Block


@dataclass(frozen=True, slots=True)
class Pace:
    """How scenario time becomes real time. At most one is set; neither: as fast as it goes.

    ``speed``: scenario seconds a real second. ``rate``: events a second, evenly.
    """

    speed: float | None = None
    rate: float | None = None

    @property
    def unpaced(self) -> bool:
        """Whether messages are sent as fast as they are taken."""
        return self.speed is None and self.rate is None

    def asked(self, block: Block, before_ms: int, share: float = 1.0) -> float | None:
        """Events a second that a block which begins at ``before_ms`` asks for; None if unpaced."""
        if self.rate is not None:
            return self.rate * share
        if self.speed is None:
            return None
        events = sum(int(m.events.sum()) for m in block.messages)
        return events * 1000 * self.speed / max(1, block.end_ms - before_ms)

    def due_us(self, messages: list[Messages], events_before: int, share: float = 1.0) -> list[I64]:
        """When each message of a block is due, in microseconds since the start of sending.

        ``events_before``: events in earlier blocks. ``share``: this process's part of the rate.
        """
        if self.speed is not None:
            return [np.floor(m.due_ms * 1000 / self.speed).astype(np.int64) for m in messages]
        if self.rate is None:
            return [np.zeros(len(m), np.int64) for m in messages]
        due_ms = np.concatenate([m.due_ms for m in messages])
        events = np.concatenate([m.events for m in messages])
        order = np.argsort(due_ms, kind="stable")
        before = np.empty(len(order), np.int64)
        before[order] = events_before + np.cumsum(events[order]) - events[order]
        due = np.floor(before * (1_000_000 / (self.rate * share))).astype(np.int64)
        return np.split(due, np.cumsum([len(m) for m in messages])[:-1])
