"""Child processes that end with the process that started them, also when it is killed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

LOOPBACK = "127.0.0.1"
_FIRST_PORT, _STRETCH, _STRETCHES = 10_000, 40, 560
_PORTS_END = _FIRST_PORT + _STRETCH * _STRETCHES  # 32,400: Linux gives clients 32,768 and up
_RESERVATIONS = 128  # the newest ports asked for; whoever asks starts its server long before
_PR_SET_PDEATHSIG = 1
# Loaded here: between fork and exec nothing may be imported.
_libc = ctypes.CDLL(None, use_errno=True)


def process_control(option: int, value: int) -> None:
    """``prctl(2)`` of this process with one argument. Raises ``OSError``."""
    if _libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({option}, {value}): {os.strerror(ctypes.get_errno())}")


def die_with(parent_pid: int) -> None:
    """Let the kernel kill this process when its parent ends; at once if that was another one already."""
    process_control(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent_pid:  # it ended before the call above
        os._exit(1)


def call_itself(name: str) -> None:
    """Let ``ps`` and ``top`` tell the processes apart; at most 15 letters."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name)


def _die_with(parent_pid: int, blocked: Collection[signal.Signals]) -> Callable[[], None]:
    def between_fork_and_exec() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        die_with(parent_pid)

    return between_fork_and_exec


def start(
    arguments: Sequence[str | Path],
    *,
    output: IO[bytes] | int | None = None,
    environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    outlive_parent: bool = False,
    blocked: Collection[signal.Signals] = (),
) -> subprocess.Popen[bytes]:
    """Start a program in a process group of its own, so that Ctrl-C reaches only its parent.

    The kernel kills it when the *thread* that calls this ends: call it from the main thread. With
    ``outlive_parent`` it runs on. ``output`` takes both stdout and stderr. Signals that are ``blocked``
    wait until the program unblocks them, so that none comes before its handler is there.
    """
    return subprocess.Popen(
        [str(a) for a in arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=None if environment is None else dict(environment),
        pass_fds=tuple(pass_fds),
        process_group=0,
        preexec_fn=None if outlive_parent else _die_with(os.getpid(), blocked),
    )


def end(process: subprocess.Popen[bytes], grace_seconds: float = 5.0) -> int:
    """Ask a process to end, kill it after ``grace_seconds``, and return its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)  # a stopped process hears nothing else but KILL
        process.terminate()
        try:
            return process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def free_ports(count: int, host: str = LOOPBACK) -> int:
    """Return the first of ``count`` TCP ports side by side that nobody has.

    They lie below those that the system hands to clients, where an outgoing connection may take one before
    its server does. They stay this process's for a while: whoever else asks gets others, also before a server
    listens there.
    """
    for first in _candidates:
        held = [_reserved(host, port) for port in range(first, first + count)]
        if None not in held:
            _keep(held)
            for _ in range(count - 1):
                next(_candidates)
            return first
        _release(held)
    raise AssertionError("the candidates never end")


def free_port(host: str = LOOPBACK) -> int:
    """Return one TCP port that nobody has on ``host``; see ``free_ports``."""
    return free_ports(1, host)


def _ports_to_try() -> Iterator[int]:
    while True:
        start = _FIRST_PORT + os.getpid() % _STRETCHES * _STRETCH
        yield from range(start, _PORTS_END)
        yield from range(_FIRST_PORT, start)


def _reserved(host: str, port: int) -> int | None:
    """File descriptor of a socket that has a port without listening there; None if the port is another's.

    To those who do not ask to reuse an address the port is taken, as for this function in another process.
    Servers do ask, and the kernel lets them have it as long as nobody listens there.
    """
    with socket.socket() as holder:
        try:
            holder.bind((host, port))
        except OSError:
            return None
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return holder.detach()


def _keep(held: Iterable[int | None]) -> None:
    _reservations.extend(held)
    _release([_reservations.popleft() for _ in range(len(_reservations) - _RESERVATIONS)])


def _release(held: Iterable[int | None]) -> None:
    for descriptor in held:
        if descriptor is not None:
            os.close(descriptor)


_reservations: deque[int | None] = deque()
_candidates = _ports_to_try()


def accepts(host: str, port: int, timeout_seconds: float = 0.5) -> bool:
    """Whether something accepts TCP connections at ``host:port``."""
    try:
        with socket.create_connection((host, port), timeout_seconds):
            return True
    except OSError:
        return False
