"""The process that workers are forked from: ``python -m warroom.zygote_process``, started by the supervisor.

What every worker needs is imported here, once: a second of processor time that a worker would spend before it
could read its state. A worker that is forked begins within milliseconds, and shares the memory of all that
does not change. Nothing here starts a thread or holds a connection: neither outlives a fork.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import logging
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from warroom.adopted import fork_for
from warroom.children import call_itself
from warroom.heap import keep_one_heap, keep_small_pages
from warroom.zygote import FORK, GET_READY, LONGEST_MESSAGE, READY


def main(arguments: Sequence[str] | None = None) -> int:
    """Do as asked until nobody can ask any more."""
    keep_one_heap()
    keep_small_pages()
    gc.disable()  # cycles are looked for once a flow runs: among imports it took a tenth of a start
    given = _parser().parse_args(arguments)
    supervisor = os.getppid()
    call_itself("warroom-zygote")
    with socket.socket(fileno=given.control_fd) as control:
        for module in ("warroom.worker", _module(given.flow)):
            with contextlib.suppress(Exception):  # told by the worker that needs it
                importlib.import_module(module)
        gc.freeze()
        while True:
            request, descriptors, _, _ = socket.recv_fds(control, LONGEST_MESSAGE, 3)
            if request == FORK:
                _fork(supervisor, control, given.flow, *descriptors)
            elif request:
                scratch = Path(os.fsdecode(request.removeprefix(GET_READY)))
                with contextlib.suppress(Exception):  # it does not say that it is ready
                    _get_ready(given.flow, scratch)
                    control.send(READY)
            else:
                return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m warroom.zygote_process")
    parser.add_argument("--control-fd", type=int, required=True, help="socket on which it is asked")
    parser.add_argument("--flow", required=True, help="module:function that builds the flow")
    return parser


def _module(flow: str) -> str:
    return flow.partition(":")[0]


def _fork(
    supervisor: int, control: socket.socket, flow: str, gate: int, post_fd: int, report_fd: int
) -> None:
    def be_worker() -> int:
        # Imported by ``main``, where no cycles are looked for meanwhile.
        from warroom.post import read_post
        from warroom.worker import work

        control.close()
        post = read_post(os.pread(post_fd, os.fstat(post_fd).st_size, 0))
        os.close(post_fd)
        os.close(gate)
        code = work(flow, post, report_fd)
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        return code

    try:
        answer = str(fork_for(supervisor, gate, be_worker))
    except OSError as error:
        answer = str(error)
    control.send(answer.encode())
    for descriptor in (gate, post_fd, report_fd):
        os.close(descriptor)


def _get_ready(flow: str, scratch: Path) -> None:
    """Load what workers load at first use, where the flow's module has a ``prepare``."""
    prepare = getattr(importlib.import_module(_module(flow)), "prepare", None)
    if prepare is not None:
        prepare(scratch)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    sys.exit(main())
