"""Looks at the results in Redis all the time, as a reader does: how fresh they are, and that none falls."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

import redis

from schemas.windows import MEASURES

LOOK_SECONDS = 0.03
SAMPLED = 24
GROWING = [f"{measure}:sale" for measure in MEASURES]
"""Fields of a merchant that never fall while a sale lasts."""


class Cause(Enum):
    """Who was struck: decides which pause a fault may cause."""

    PROCESS = "process faults"
    SERVER = "server outages"


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault: from when to when, monotonic seconds."""

    cause: Cause
    begin_s: float
    end_s: float


def longest_pauses(fresh_s: list[float], faults: list[Struck]) -> dict[Cause, float]:
    """The longest pause between two fresh results that has to be put down to each cause.

    A pause with a server outage in it is the outage's, whatever else happened meanwhile.
    """
    longest = dict.fromkeys(Cause, 0.0)
    for before_s, after_s in pairwise(fresh_s):
        causes = {f.cause for f in faults if f.begin_s < after_s and f.end_s > before_s}
        if causes:
            cause = Cause.SERVER if Cause.SERVER in causes else Cause.PROCESS
            longest[cause] = max(longest[cause], after_s - before_s)
    return longest


@dataclass
class Watcher:
    """Polls from a thread of its own, so that nothing else decides when it looks."""

    url: str
    fresh_s: list[float] = field(default_factory=list)
    """When the newest event of the results moved, monotonic seconds."""
    fallen: list[str] = field(default_factory=list)
    """Every value that went back, in words."""

    def __post_init__(self) -> None:
        self._shown: dict[tuple[str, str], int] = {}
        self._sampled: list[str] = []
        self._looked = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="watcher", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()

    @property
    def values_seen(self) -> int:
        """How many growing values have been held against the one before."""
        return self._looked

    def _work(self) -> None:
        client = redis.Redis.from_url(self.url, decode_responses=True)
        while not self._ending.wait(LOOK_SECONDS):
            try:
                self._look(client)
            except redis.RedisError:
                continue  # it is being restarted
        client.close()

    def _look(self, client: Any) -> None:  # noqa: ANN401 - redis-py's pipelines are not typed
        if len(self._sampled) < SAMPLED:
            self._sampled = [*client.scan_iter("warroom:merchant:*", count=100)][:SAMPLED]
        pipe = client.pipeline(transaction=False)
        pipe.hmget("warroom:meta", ["event_time"])
        pipe.hmget("warroom:meta", ["watermark"])
        for key in self._sampled:
            pipe.hmget(key, GROWING)
        newest, watermark, *merchants = pipe.execute()
        if self._rises("warroom:meta", ["event_time"], newest):
            self.fresh_s.append(time.monotonic())
        self._rises("warroom:meta", ["watermark"], watermark)
        for key, values in zip(self._sampled, merchants, strict=True):
            self._rises(key, GROWING, values)

    def _rises(self, key: str, names: list[str], values: list[str | None]) -> bool:
        """Whether any value is greater than it was; notes those that are less."""
        risen = False
        for name, text in zip(names, values, strict=True):
            before = self._shown.get((key, name))
            if text is None:  # Redis was emptied: what it showed before is forgotten
                self._shown.pop((key, name), None)
                continue
            value = int(text)
            self._looked += before is not None
            if before is not None and value < before:
                self.fallen.append(f"{key} {name}: {before}, then {value}")
            risen |= before is None or value > before
            self._shown[key, name] = value
        return risen
