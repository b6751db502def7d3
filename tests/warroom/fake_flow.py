"""A flow without servers for tests of worker and supervisor: it counts steps and does as it is told.

The directory in ``SCRIPT`` is the conversation: each worker adds a line to ``started`` and, when the
flow ends by itself, to ``drained``; it does what the file ``do-<index>`` says, once. In
``restarts-<index>`` it leaves how often it was told that all had been started again.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from operators.process_clock import ProcessClock
from operators.redis_errors import fenced
from warroom.post import Post

SCRIPT = "FAKE_FLOW_SCRIPT"


class Steps(StatefulSourcePartition[int, int]):
    def __init__(self, post: Post, clock: ProcessClock, resume: int | None) -> None:
        self._script = Path(os.environ[SCRIPT])
        self._post = post
        self._clock = clock
        self._step = resume or 0

    def next_batch(self) -> list[int]:
        if self._clock.stopping or self._clock.finishing or self._post.flow.engine.bounded:
            self._say("stopped" if self._clock.stopping else "finished")
            raise StopIteration
        self._obey()
        self._step += 1
        return [self._step]

    def next_awake(self) -> datetime | None:
        return datetime.now(UTC) + timedelta(milliseconds=10)

    def snapshot(self) -> int:
        return self._step

    def _obey(self) -> None:
        order = self._script / f"do-{self._post.index}"
        if not order.exists():
            return
        what = order.read_text()
        if not what.startswith("always "):
            order.unlink()
        match what.removeprefix("always "):
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "fail":
                raise ValueError("the fake flow was told to fail")
            case "hang":
                self._say("hanging")
                threading.Event().wait()  # for what never comes
            case "be fenced":
                raise fenced("redis.example:6379/0", 1, 2)

    def _say(self, what: str) -> None:
        with (self._script / what).open("a") as file:
            file.write(f"{self._post.index} run {self._post.run.number} step {self._step}\n")


class Source(FixedPartitionedSource[int, int]):
    def __init__(self, post: Post, clock: ProcessClock) -> None:
        self._post = post
        self._clock = clock

    def list_parts(self) -> list[str]:
        return [f"part-{self._post.index}"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> Steps:
        steps = Steps(self._post, self._clock, resume_state)
        (steps._script / f"restarts-{self._post.index}").write_text(str(self._post.restarts))
        steps._say("started")
        return steps


class Nowhere(StatelessSinkPartition[int]):
    def write_batch(self, items: list[int]) -> None:
        pass


class NowhereSink(DynamicSink[int]):
    def build(self, step_id: str, worker_index: int, worker_count: int) -> Nowhere:
        return Nowhere()


@contextmanager
def build(post: Post, clock: ProcessClock) -> Iterator[Dataflow]:
    flow = Dataflow("fake")
    steps = op.input("steps", flow, Source(post, clock))
    op.output("nowhere", steps, NowhereSink())
    yield flow
