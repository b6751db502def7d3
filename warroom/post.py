"""What supervisor and worker processes have to agree on: the post, the signals, the exit codes.

The supervisor imports this, not ``warroom.worker``: what a worker is made of takes half a second.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter

from operators.redis_run import Run
from warroom.settings import Settings

FAILED: Final = 1
REFUSED: Final = 3
TAKEN_ALONG: Final = 4
FORWARDED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
"""Signals that wait, blocked, until the worker can take them."""


@dataclass(frozen=True, slots=True)
class Post:
    """What a worker process is told: its place in the cluster, its run, its settings.

    ``restarts``: how often this supervisor has started all again after a failure.
    """

    index: int
    addresses: tuple[str, ...]
    run: Run
    settings: Settings
    bounded: bool
    start_over: bool
    restarts: int = 0


_POSTS: Final = TypeAdapter(Post)


def post_text(post: Post) -> bytes:
    """A post as its worker reads it."""
    return _POSTS.dump_json(post)


def read_post(text: bytes) -> Post:
    """The post of ``post_text``."""
    return _POSTS.validate_json(text)
