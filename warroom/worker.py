"""One worker process: ``python -m warroom.worker``, started by the supervisor, with one Bytewax worker.

It imports what it needs and waits for its post: its place in the cluster, its run, its settings. One that
stands by gets everything ready meanwhile, so that it takes over at once when it is called.

Exit codes: 0 drained, 1 failed (a new start may mend it), 3 refused (it cannot), 4 ended because
another worker did.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import gc
import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NoReturn

from bytewax._bytewax import cluster_main
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig

from operators.kafka_errors import AccessRefusedError, KafkaReadError, OffsetsLostError, StoppedWaitingError
from operators.metrics_server import Heartbeat, MetricsPortError
from operators.process_clock import ProcessClock
from operators.redis_errors import RedisSinkError
from warroom.beating_clock import BeatingClock
from warroom.bytewax_errors import cause_of, note_errors, place_of
from warroom.heap import keep_one_heap
from warroom.neighbours import wait_for_listeners
from warroom.post import FAILED, FORWARDED, REFUSED, TAKEN_ALONG, Post, read_post
from warroom.state_directory import EPOCHS, no_room
from warroom.worker_report import Reporter

HOPELESS: Final = (RedisSinkError, OffsetsLostError, AccessRefusedError, MetricsPortError)
"""What starting again cannot mend."""
NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
MEETING_SECONDS: Final = 10.0
"""After this long without its neighbours a worker goes on; to reach them is Bytewax's affair then."""
OBJECTS_BETWEEN_LOOKS: Final = 50_000

log = logging.getLogger("warroom.worker")


FlowBuilder = Callable[[Post, BeatingClock], AbstractContextManager[Dataflow]]
"""Makes a flow and holds what it needs for as long as it runs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the flow until it is drained, told to stop or failed."""
    keep_one_heap()
    gc.disable()  # cycles are looked for again once the flow runs: among imports it took a tenth of a start
    given = _parser().parse_args(arguments)
    reporter = Reporter(given.report_fd)
    if given.standby:
        _stand_by(given.flow, reporter)
    else:
        _import(given.flow)
    post = _post(given.call_fd, given.post_fd)
    if post is None:
        return 0
    _call_itself(f"warroom-w{post.index}")
    logging.basicConfig(
        level=logging.WARNING, format=f"worker {post.index}: %(message)s", stream=sys.stderr, force=True
    )
    clock = BeatingClock(reporter, Heartbeat(post.process.hung_after_seconds))
    _take_signals(clock)
    _hide_standard_output()
    try:
        with _named(given.flow)(post, clock) as flow:
            note_errors(lambda cause: _tell(cause, clock, reporter))
            _run(flow, post)
    except BaseException as error:  # Bytewax raises KeyboardInterrupt and its own errors around the cause
        return _ended_by(error, clock, reporter)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m warroom.worker")
    parser.add_argument("--post-fd", type=int, required=True, help="file that will hold its post")
    parser.add_argument(
        "--call-fd", type=int, required=True, help="pipe that is closed when the post is there"
    )
    parser.add_argument("--report-fd", type=int, required=True)
    parser.add_argument("--flow", required=True)
    parser.add_argument("--standby", action="store_true")
    return parser


def _import(flow: str) -> None:
    """What the post does not decide. What fails here is told by the worker that needs it."""
    with contextlib.suppress(Exception):
        _named(flow)


def _stand_by(flow: str, reporter: Reporter) -> None:
    """Get ready before there is a post. What fails here is told by the worker that needs it."""
    _call_itself("warroom-spare")
    with contextlib.suppress(Exception):
        _named(flow)
        prepare = getattr(sys.modules[flow.partition(":")[0]], "prepare", None)
        if prepare is not None:
            prepare()
        gc.collect()
        reporter.ready()


def _post(call_fd: int, post_fd: int) -> Post | None:
    """Wait to be called; None if there is no post, now or ever.

    The post comes through a file that has no name: settings hold passwords, and arguments are public.
    """
    os.read(call_fd, 1)
    os.close(call_fd)
    text = os.pread(post_fd, os.fstat(post_fd).st_size, 0)
    os.close(post_fd)
    return read_post(text) if text else None


def _call_itself(name: str) -> None:
    """Let ``ps`` and ``top`` tell the processes apart; at most 15 letters."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name)


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


def _leave(code: int) -> NoReturn:
    """End at once: Bytewax's threads would abort a process that takes its time to end."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _leave(main())
