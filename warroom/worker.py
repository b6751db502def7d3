"""One worker process: ``python -m warroom.worker``, started by the supervisor, with one Bytewax worker.

Exit codes: 0 drained, 1 failed (a new start may mend it), 3 refused (it cannot), 4 ended because
another worker did.
"""

from __future__ import annotations

import argparse
import errno
import gc
import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NoReturn

from bytewax._bytewax import cluster_main
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig

from operators.kafka_errors import AccessRefusedError, KafkaReadError, OffsetsLostError, StoppedWaitingError
from operators.metrics_server import Heartbeat, MetricsPortError
from operators.process_clock import ProcessClock
from operators.redis_errors import RedisSinkError
from operators.redis_session import Run
from warroom.bytewax_errors import cause_of, note_errors, place_of
from warroom.settings import Settings
from warroom.state_directory import EPOCHS, no_room
from warroom.worker_report import BeatingClock, Reporter

FAILED: Final = 1
REFUSED: Final = 3
TAKEN_ALONG: Final = 4
HOPELESS: Final = (RedisSinkError, OffsetsLostError, AccessRefusedError, MetricsPortError)
"""What starting again cannot mend."""
NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
OBJECTS_BETWEEN_LOOKS: Final = 50_000
FORWARDED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
"""Signals that wait, blocked, until this process can take them."""

log = logging.getLogger("warroom.worker")


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


FlowBuilder = Callable[[Post, BeatingClock], AbstractContextManager[Dataflow]]
"""Makes a flow and holds what it needs for as long as it runs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the flow until it is drained, told to stop or failed."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.WARNING, format=f"worker {given.index}: %(message)s", stream=sys.stderr, force=True
    )
    reporter = Reporter(given.report_fd)
    post = _post(given)
    clock = BeatingClock(reporter.beat, Heartbeat(post.settings.supervisor.hung_after_seconds))
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
    parser.add_argument("--index", type=int, required=True)
    parser.add_argument("--addresses", required=True)
    parser.add_argument("--run-number", type=int, required=True)
    parser.add_argument("--run-id", required=True)
    parser.add_argument("--started-at-ms", type=int, required=True)
    parser.add_argument("--restarts", type=int, default=0)
    parser.add_argument("--settings-fd", type=int, required=True)
    parser.add_argument("--report-fd", type=int, required=True)
    parser.add_argument("--bounded", action="store_true")
    parser.add_argument("--start-over", action="store_true")
    parser.add_argument("--flow", required=True)
    return parser


def _post(given: argparse.Namespace) -> Post:
    # Through a file of its own that has no name: settings hold passwords, and arguments are public.
    size = os.fstat(given.settings_fd).st_size
    return Post(
        index=given.index,
        addresses=tuple(given.addresses.split(";")),
        run=Run(given.run_number, given.run_id, given.started_at_ms),
        settings=Settings.model_validate_json(os.pread(given.settings_fd, size, 0)),
        bounded=given.bounded,
        start_over=given.start_over,
        restarts=given.restarts,
    )


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
    state = post.settings.state
    options: dict[str, Any] = {
        "epoch_interval": timedelta(seconds=post.settings.engine.epoch_interval_seconds)
    }
    if state.enabled:
        options["recovery_config"] = RecoveryConfig(state.directory / EPOCHS)  # type: ignore[no-untyped-call]
    _leave_alone_what_stays()
    cluster_main(flow, list(post.addresses), post.index, **options)  # type: ignore[no-untyped-call]


def _leave_alone_what_stays() -> None:
    """Have Python look for cycles seldom, and never among what is imported: it took 4 % of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_LOOKS, 20, 20)


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
