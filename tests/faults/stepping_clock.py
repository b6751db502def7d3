"""``warroom`` on a machine whose clock steps back an hour when a file appears: ``WARROOM_TEST_CLOCK``."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bytewax.dataflow import Dataflow

from warroom import cli, run_command
from warroom.beating_clock import BeatingClock
from warroom.cluster import Job
from warroom.post import Post

BACK_NS: Final = 3_600 * 10**9
FLOW: Final = "tests.faults.stepping_clock:build"


@contextmanager
def build(post: Post, clock: BeatingClock) -> Iterator[Dataflow]:
    """The flow of a worker, with the wall clock of its process in our hands."""
    step, real_ns = Path(os.environ["WARROOM_TEST_CLOCK"]), time.time_ns

    def time_ns() -> int:
        return real_ns() - BACK_NS * step.exists()

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9
    # Only now, so that nothing has taken hold of the real ones.
    from warroom.process import war_room

    with war_room(post, clock) as flow:
        yield flow


if __name__ == "__main__":
    run_command.Job = functools.partial(Job, flow=FLOW)  # type: ignore[attr-defined,assignment]
    cli.main()
