"""What supervisor and workers have to agree on: the post, the exit codes.

The supervisor imports this, not ``warroom.worker``, and a worker this, not ``warroom.settings``: what a
worker is made of takes a second to import, and what checks settings a tenth of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from flows.options import WarRoomOptions
from operators.redis_run import Run

FAILED: Final = 1
REFUSED: Final = 3
TAKEN_ALONG: Final = 4


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """How a worker runs its flow and tells of itself; worker i serves its metrics on ``metrics_port`` + i."""

    epoch_interval_seconds: float
    hung_after_seconds: float
    metrics_host: str
    metrics_port: int
    metrics_top_n: int


@dataclass(frozen=True, slots=True)
class Post:
    """What a worker process is told: its place in the cluster, its run, what to do.

    ``restarts``: how often this supervisor has started all again after a failure.
    """

    index: int
    addresses: tuple[str, ...]
    run: Run
    flow: WarRoomOptions
    process: ProcessOptions
    start_over: bool
    restarts: int = 0


def post_text(post: Post) -> bytes:
    """A post as its worker reads it."""
    return msgspec.json.encode(post, enc_hook=str)


def read_post(text: bytes) -> Post:
    """The post of ``post_text``."""
    return msgspec.json.decode(text, type=Post, dec_hook=_path)


def _path(kind: type[Any], text: str) -> Path:
    assert kind is Path, f"a post holds no {kind}"
    return Path(text)
