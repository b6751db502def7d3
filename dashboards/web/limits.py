"""How much one address may ask: a token bucket each, in bounded memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from dashboards.web.problems import Problem

ADDRESSES: Final = 4_096
"""Addresses that are remembered; the one that has been silent longest is forgotten first."""


class RateLimit:
    """``per_second`` requests a second for each address, ``burst`` of them at once."""

    def __init__(self, per_second: float, burst: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._now_s = now_s
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, cost: float = 1.0) -> None:
        """Count a request. Raises ``Problem`` 429 that says when the next one may come."""
        now_s = self._now_s()
        left, since_s = self._left.pop(address, (self._burst, now_s))
        left = min(self._burst, left + (now_s - since_s) * self._per_second)
        enough = left >= cost
        self._left[address] = (left - cost if enough else left, now_s)
        if len(self._left) > ADDRESSES:
            self._left.popitem(last=False)
        if not enough:
            wait_s = max(1, round((cost - left) / self._per_second + 0.5))
            raise Problem(
                429,
                "too-many-requests",
                f"at most {self._burst:g} requests at once and {self._per_second:g} a second; "
                f"ask again in {wait_s} s",
                {"retry-after": str(wait_s)},
            )
