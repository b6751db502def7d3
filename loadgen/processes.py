"""One run from several processes: each sends some of the partitions, all begin at the same instant."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final

from loadgen.client import Client
from loadgen.errors import LoadgenError
from loadgen.keying import Key, keyed_blocks, keyed_plan
from loadgen.pacing import Pace
from loadgen.plan import Plan, make_plan
from loadgen.scenario import Scenario
from loadgen.sending import Account, send_all
from loadgen.standing import Standing, added, standing_of
from loadgen.stream import blocks

TELL_EVERY_S: Final = 0.25
HEAD_START_NS: Final = 50_000_000
"""From the word to begin until the first message is due: time for the word to reach every process."""
GRACE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Part:
    """What one process is to send: a scenario's partitions ``only`` of each topic."""

    scenario: Scenario
    partitions: int
    click_partitions: int
    settings: dict[str, str]
    topics: list[str]
    pace: Pace
    per_message: int
    key: Key
    only: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Sent:
    """How it ended. ``error``: why a process gave up, None if none did."""

    standing: Standing
    complete: bool
    error: str | None = None


@dataclass(slots=True)
class _Child:
    process: BaseProcess
    pipe: Connection
    standing: Standing = field(default_factory=Standing)
    over: Sent | None = None


def send_parts(part: Part, processes: int, watch: Callable[[Standing], None]) -> Sent:
    """Send all partitions from ``processes`` processes, partition p from process p modulo their number.

    Ctrl-C stops all of them; what they had sent is told.
    """
    context = multiprocessing.get_context("spawn")
    children = []
    for number in range(processes):
        mine, theirs = context.Pipe()
        only = frozenset(range(number, max(part.partitions, part.click_partitions), processes))
        process = context.Process(target=_child, args=(replace(part, only=only), theirs), daemon=True)
        process.start()
        theirs.close()
        children.append(_Child(process, mine))
    try:
        _follow(children, watch)
    except KeyboardInterrupt:
        _stop(children)
        _follow(children, watch)
    finally:
        for child in children:
            child.process.join(GRACE_S)
            child.process.kill()
    ends = [child.over or Sent(child.standing, False, "a sending process died") for child in children]
    errors = [end.error for end in ends if end.error is not None]
    complete = all(end.complete for end in ends)
    watch(added(end.standing for end in ends))
    return Sent(added(end.standing for end in ends), complete, errors[0] if errors else None)


def _follow(children: list[_Child], watch: Callable[[Standing], None]) -> None:
    """Take what the processes say until all are over; the first that gives up stops the others."""
    ready = 0
    while left := [child for child in children if child.over is None]:
        by_pipe = {child.pipe: child for child in left}
        for pipe in wait(list(by_pipe)):
            child = by_pipe[pipe]  # type: ignore[index]
            try:
                said: Any = child.pipe.recv()
            except (EOFError, ConnectionResetError):
                said = Sent(child.standing, False, "a sending process died")
            if isinstance(said, Sent):
                child.over, child.standing = said, said.standing
                if said.error is not None:
                    _stop(left)
            elif isinstance(said, Standing):
                child.standing = said
                watch(added(c.standing for c in children))
            else:
                ready += 1
                if ready == len(children):
                    _tell(children, time.perf_counter_ns() + HEAD_START_NS)


def _tell(children: list[_Child], word: int | None) -> None:
    for child in children:
        if child.over is None:
            try:
                child.pipe.send(word)
            except OSError:
                continue  # it is over; its pipe says so


def _stop(children: list[_Child]) -> None:
    _tell(children, None)


def _child(part: Part, pipe: Connection) -> None:
    """The life of a sending process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches all; the parent decides
    topics = part.topics
    account = Account()
    complete, error = False, None
    client = Client(part.settings, topics)
    told_at = time.monotonic()

    def tick() -> None:
        nonlocal told_at
        if pipe.poll():
            pipe.recv()
            raise KeyboardInterrupt
        if time.monotonic() - told_at >= TELL_EVERY_S:
            told_at = time.monotonic()
            pipe.send(standing_of(topics, client, account))

    def begin() -> int:
        pipe.send("ready")
        start_ns = pipe.recv()
        if start_ns is None:
            raise KeyboardInterrupt
        return client.at_us(start_ns)

    try:
        plan = keyed_plan(make_plan(part.scenario, part.partitions, part.click_partitions), part.key)
        stream = keyed_blocks(blocks(plan, part.per_message, part.only), part.key)
        share = share_of_orders(plan, part.only)
        send_all(client, 0, stream, part.pace, account, tick, share, begin)
        complete = client.failed == 0
    except KeyboardInterrupt:
        pass
    except LoadgenError as reason:
        error = str(reason)
    finally:
        client.poll(0)
        pipe.send(Sent(standing_of(topics, client, account), complete, error))
        client.close()


def share_of_orders(plan: Plan, only: frozenset[int]) -> float:
    """What part of a plan's orders, and so of its clicks, is on some partitions: their part of the rate."""
    mine = [partition for partition in sorted(only) if partition < plan.partitions]
    held = sum(int(c.counts[:, mine].sum()) for c in plan.components) / max(1, plan.orders)
    clicks = plan.scenario.clicks
    if clicks is None or plan.click_partitions in (0, plan.partitions):
        return held
    seen = sum(partition < plan.click_partitions for partition in only) / plan.click_partitions
    return (held + clicks.views_per_order * seen) / (1 + clicks.views_per_order)
