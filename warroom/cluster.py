"""The worker processes of one run on this machine: started together, watched, ended together."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from operators.redis_run import Run
from warroom.adopted import Adopted
from warroom.hosts import Membership
from warroom.post import REFUSED, TAKEN_ALONG, Post, post_text
from warroom.settings import Settings
from warroom.waiting import wait_until
from warroom.wiring import options_of, process_options_of
from warroom.worker_report import Listener
from warroom.zygote import WAR_ROOM, Worker

SETTLE_SECONDS: Final = 0.3


@dataclass(frozen=True, slots=True)
class Job:
    """What the workers of every run are started with. ``flow``: ``module:function`` that builds it."""

    settings: Settings
    bounded: bool = False
    start_over: bool = False
    flow: str = WAR_ROOM


@dataclass(slots=True)
class Member:
    """One worker process."""

    index: int
    process: Adopted
    listener: Listener


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a cluster is no longer whole. ``hopeless``: starting again cannot mend it.

    ``rank``: of several the least is the cause, the others are what it did to the rest. ``certain``: no other
    worker can have been the cause.
    """

    reason: str
    hopeless: bool = False
    rank: int = 0
    certain: bool = False


class Cluster:
    """Workers of one run, as ``fork`` gives them. ``restarts``: failed runs before it.

    ``started_at_s``, ``failed_at_s``: monotonic seconds; the second is when trouble was noticed.
    """

    def __init__(
        self, job: Job, membership: Membership, run: Run, fork: Callable[[bytes], Worker], restarts: int = 0
    ) -> None:
        self.started_at_s = time.monotonic()
        self.failed_at_s: float | None = None
        self._hung_after_s = job.settings.supervisor.hung_after_seconds
        self.members: list[Member] = []
        flow = options_of(job.settings, bounded=job.bounded)
        process = process_options_of(job.settings)
        self._missing: Ending | None = None
        for index in membership.local:
            post = Post(
                index=index,
                addresses=membership.addresses,
                run=run,
                flow=flow,
                process=process,
                start_over=job.start_over,
                restarts=restarts,
            )
            try:
                worker = fork(post_text(post))
            except OSError as error:
                self._missing = Ending(f"worker {index} could not be started: {error}", certain=True)
                break
            self.members.append(Member(index, worker.process, worker.listener))

    @property
    def is_running(self) -> bool:
        """Whether any worker still runs."""
        return any(m.process.poll() is None for m in self.members)

    @property
    def beats(self) -> bool:
        """Whether every worker has given a sign of life since its start."""
        return all(m.listener.beats for m in self.members)

    @property
    def consumes(self) -> bool:
        """Whether every worker has counted events that were new to this run."""
        return all(m.listener.consuming for m in self.members)

    def trouble(self) -> Ending | None:
        """A worker that is missing, dead, hung or refusing; None while all is well or all have drained."""
        first = self._missing or self._worst()
        if first is not None and self.failed_at_s is None:
            self.failed_at_s = time.monotonic()
        if first is None or first.certain:
            return first
        # The others end because of it, or it because of them: all have a moment to say why.
        wait_until(lambda: not self.is_running, SETTLE_SECONDS)
        return self._worst()

    def _worst(self) -> Ending | None:
        for member in self.members:
            member.listener.listen()
        endings = [e for m in self.members if (e := self._trouble_of(m)) is not None]
        return min(endings, key=lambda e: e.rank, default=None)

    def _trouble_of(self, member: Member) -> Ending | None:
        code = member.process.poll()
        if code is None:
            silent_s = time.monotonic() - member.listener.heard_at
            if silent_s <= self._hung_after_s:
                return None
            return Ending(f"worker {member.index} has given no sign of life for {silent_s:.0f} s", rank=3)
        if code == 0:
            return None
        if code == REFUSED or member.listener.refusal:  # who said why may have been aborted on the way out
            return Ending(member.listener.refusal or f"worker {member.index} refused", hopeless=True)
        reason = f"worker {member.index} {_died(code)}{_because(member.listener)}"
        # Nothing that happens to one worker makes another one be killed.
        return Ending(reason, rank=_rank(code), certain=code == -signal.SIGKILL)

    def tell(self, which: signal.Signals) -> None:
        """Send a signal to every worker that still runs."""
        for member in self.members:
            if member.process.poll() is None:
                member.process.send_signal(which)

    def kill(self) -> None:
        """End every worker at once; what they held is in the last snapshot."""
        for member in self.members:
            if member.process.poll() is None:
                member.process.kill()
        for member in self.members:
            member.process.wait()
            member.listener.listen()
            member.listener.close()


def _died(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _rank(code: int) -> int:
    """A worker that was taken along is the least likely cause, one that was killed the likeliest."""
    if code < 0:
        return 1
    return 4 if code == TAKEN_ALONG else 2


def _because(listener: Listener) -> str:
    return f": {listener.failure}" if listener.failure else ""
