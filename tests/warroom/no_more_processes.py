"""A flow without workers: whoever imports it can fork no more."""

from __future__ import annotations

import os


def no_more() -> int:
    """What ``os.fork`` does on a full machine."""
    raise BlockingIOError(11, "no more processes, says the test")


os.fork = no_more
