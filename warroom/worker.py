"""What one worker process does, from its post to its exit code: it runs the flow with one Bytewax worker.

Exit codes: 0 drained, 1 failed (a new start may mend it), 3 refused (it cannot), 4 ended because
another worker did.
"""

from __future__ import annotations

import errno
import gc
import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, Final

from bytewax._bytewax import cluster_main
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig

from operators.kafka_errors import AccessRefusedError, KafkaReadError, OffsetsLostError, StoppedWaitingError
from operators.metrics_server import Heartbeat, MetricsPortError
from operators.process_clock import ProcessClock
from operators.redis_errors import RedisSinkError
from warroom.beating_clock import BeatingClock
from warroom.bytewax_errors import cause_of, note_errors, place_of
from warroom.children import call_itself
from warroom.neighbours import wait_for_listeners
from warroom.post import FAILED, REFUSED, TAKEN_ALONG, Post
from warroom.resting import main_thread_rests
from warroom.state_directory import EPOCHS, no_room
from warroom.worker_report import Reporter
from warroom.zygote import FORWARDED

HOPELESS: Final = (RedisSinkError, OffsetsLostError, AccessRefusedError, MetricsPortError)
"""What starting again cannot mend."""
NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
MEETING_SECONDS: Final = 10.0
"""After this long without its neighbours a worker goes on; to reach them is Bytewax's affair then."""
OBJECTS_BETWEEN_LOOKS: Final = 50_000

log = logging.getLogger("warroom.worker")


FlowBuilder = Callable[[Post, BeatingClock], AbstractContextManager[Dataflow]]
"""Makes a flow and holds what it needs for as long as it runs."""


def work(flow: str, post: Post, report_fd: int) -> int:
    """Run the flow that ``flow``, ``module:function``, builds until it is drained, told to stop or failed.

    Returns the exit code. ``report_fd``: a ``Reporter``'s pipe. For a process that does nothing else.
    """
    reporter = Reporter(report_fd)
    call_itself(f"warroom-w{post.index}")
    logging.basicConfig(
        level=logging.WARNING, format=f"worker {post.index}: %(message)s", stream=sys.stderr, force=True
    )
    clock = BeatingClock(reporter, Heartbeat(post.process.hung_after_seconds))
    _take_signals(clock)
    _hide_standard_output()
    try:
        with _named(flow)(post, clock) as dataflow:
            note_errors(lambda cause: _tell(cause, clock, reporter))
            _run(dataflow, post)
    except BaseException as error:  # Bytewax raises KeyboardInterrupt and its own errors around the cause
        return _ended_by(error, clock, reporter)
    return 0


def _take_signals(clock: ProcessClock) -> None:
    def stop(*_: object) -> None:
        clock.stopping = True

    def finish(*_: object) -> None:
        clock.finishing = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGUSR1, finish)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)


def _hide_standard_output() -> None:
    """Timely prints there, for each start, how often it had to knock at the other workers."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _named(flow: str) -> FlowBuilder:
    module, _, function = flow.partition(":")
    builder: FlowBuilder = getattr(importlib.import_module(module), function)
    return builder


def _run(flow: Dataflow, post: Post) -> None:
    state_dir = post.flow.engine.state_dir
    options: dict[str, Any] = {"epoch_interval": timedelta(seconds=post.process.epoch_interval_seconds)}
    if state_dir is not None:
        options["recovery_config"] = RecoveryConfig(state_dir / EPOCHS)  # type: ignore[no-untyped-call]
    _leave_alone_what_stays()
    wait_for_listeners(post.addresses[: post.index], MEETING_SECONDS)
    with main_thread_rests():
        cluster_main(flow, list(post.addresses), post.index, **options)  # type: ignore[no-untyped-call]


def _leave_alone_what_stays() -> None:
    """Have Python look for cycles seldom, and never among what is imported: it took 4 % of the time."""
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_LOOKS, 20, 20)
    gc.enable()


def _ended_by(error: BaseException, clock: ProcessClock, reporter: Reporter) -> int:
    cause = cause_of(error)
    log.debug("ended", exc_info=error)
    if cause is None:
        reporter.failed("another worker ended")
        return TAKEN_ALONG
    return _tell(cause, clock, reporter)


def _tell(cause: BaseException, clock: ProcessClock, reporter: Reporter) -> int:
    """Tell the supervisor why this worker ends; the exit code that goes with it."""
    if clock.stopping and isinstance(cause, StoppedWaitingError | KeyboardInterrupt):
        return 0
    if isinstance(cause, HOPELESS):
        reporter.refused(str(cause))
        return REFUSED
    if isinstance(cause, OSError) and cause.errno in NO_ROOM:
        reporter.refused(no_room(str(cause.filename or "the state directory"), str(cause.strerror)))
        return REFUSED
    known = isinstance(cause, KafkaReadError | OSError)
    reporter.failed(str(cause) if known else f"{type(cause).__name__}: {cause} (in {place_of(cause)})")
    return FAILED
