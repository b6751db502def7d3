"""Sending, open loop: each message when it is due, whatever the broker does.

What cannot be sent on time is sent late and counted; nothing is skipped. Latency runs from the due time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np

from loadgen.client import Client
from loadgen.draws import I32, I64, compiled
from loadgen.facts import KINDS
from loadgen.json_bytes import Messages
from loadgen.pacing import Pace
from loadgen.stream import Block

HANDED_OVER_LATE_US: Final = 100_000
"""A message that is handed to the client later than this after it was due is counted: loadgen itself,
or a full queue, was too slow."""
LONGEST_WAIT_MS: Final = 20
STEP_MS: Final = 5
"""What falls due within so long is handed over together: looking without a pause takes a core of those who
are measured."""
AT_ONCE: Final = 20_000
SLICES: Final = 60
"""An unpaced block is sent in this many slices of scenario time, so that partitions stay in step."""
PATIENCE_S: Final = 30.0
T = TypeVar("T")


@dataclass(slots=True)
class Account:
    """What was asked, what was sent, how late. Updated while sending runs."""

    events: int = 0
    messages: int = 0
    bytes: int = 0
    handed_over_late: int = 0
    """Messages handed over more than ``HANDED_OVER_LATE_US`` after they were due."""
    worst_delay_us: int = 0
    scenario_ms: int = 0
    """End of the last block that was handed over whole, since the scenario's start."""
    rate_asked: float | None = None
    """Events a second that are due now; None where it is as fast as it goes."""
    kinds: I64 = field(default_factory=lambda: np.zeros(len(KINDS), np.int64))
    seconds: float = 0.0


def ahead(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """The same items, made in a thread while earlier ones are in use."""
    iterator = iter(items)
    end = object()
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(next, iterator, end) for _ in range(depth)]
        while waiting:
            item = waiting.pop(0).result()
            if item is end:
                return
            waiting.append(pool.submit(next, iterator, end))
            yield item  # type: ignore[misc]


def send_all(
    client: Client,
    lane: int,
    stream: Iterable[Block],
    pace: Pace,
    account: Account,
    tick: Callable[[], None] = lambda: None,
    share: float = 1.0,
    begin: Callable[[], int] | None = None,
) -> None:
    """Send a stream to topics from number ``lane`` on and wait for every answer.

    ``begin`` is asked when the first block is ready: when sending starts, on the client's clock; now if
    it is not given. ``share`` is this process's part of the rate. ``tick`` is called every few milliseconds.
    Raises ``DeliveryError`` when the broker answers nothing for ``PATIENCE_S`` at the end.
    """
    start_us: int | None = None
    client.settle()
    try:
        for block in ahead(stream):
            if start_us is None:
                start_us = begin() if begin else client.now_us()
            account.rate_asked = pace.asked(block, account.scenario_ms, share)
            due = pace.due_us(block.messages, account.events, share)
            _send_block(client, lane, block, [d + start_us for d in due], pace, account, tick)
            account.kinds += block.kinds
            account.scenario_ms = block.end_ms
            account.seconds = (client.now_us() - start_us) / 1e6
        client.flush(PATIENCE_S, tick)
    finally:
        account.seconds = 0.0 if start_us is None else (client.now_us() - start_us) / 1e6


def _send_block(
    client: Client,
    lane: int,
    block: Block,
    due_us: list[I64],
    pace: Pace,
    account: Account,
    tick: Callable[[], None],
) -> None:
    sent = [0] * len(block.messages)
    limits = _slices(block) if pace.unpaced else iter(())
    limit_ms = next(limits, None)
    while any(done < len(m) for done, m in zip(sent, block.messages, strict=True)):
        moved = full = behind = False
        for index, messages in enumerate(block.messages):
            now_us = client.now_us()
            if limit_ms is None:
                end = int(np.searchsorted(due_us[index], now_us, side="right"))
            else:
                end = int(np.searchsorted(messages.due_ms, limit_ms))
                due_us[index][sent[index] : end] = now_us
            wanted = min(end, sent[index] + AT_ONCE)
            if wanted > sent[index]:
                taken = client.send(lane + messages.lane, messages, due_us[index], sent[index], wanted)
                _book(account, messages, due_us[index], sent[index], sent[index] + taken, now_us)
                sent[index] += taken
                moved = moved or taken > 0
                full = full or sent[index] < wanted
                behind = behind or wanted < end
        if limit_ms is not None and not moved and not full:
            limit_ms = next(limits, block.end_ms)
        if full:
            client.poll(LONGEST_WAIT_MS)  # until the broker has taken something
        elif behind or limit_ms is not None:
            client.poll(0)
        else:
            client.pause(_pause_ms(client, due_us, sent))
        tick()


def _slices(block: Block) -> Iterator[int]:
    first = min((int(m.due_ms[0]) for m in block.messages if len(m)), default=0)
    return (first + (block.end_ms - first) * step // SLICES for step in range(1, SLICES + 1))


def _pause_ms(client: Client, due_us: list[I64], sent: list[int]) -> int:
    nexts = [int(due[done]) for due, done in zip(due_us, sent, strict=True) if done < len(due)]
    if not nexts:
        return 0
    return max(STEP_MS, min(LONGEST_WAIT_MS, (min(nexts) - client.now_us()) // 1000))


def _book(account: Account, messages: Messages, due_us: I64, first: int, last: int, now_us: int) -> None:
    if last == first:
        return
    late_us = now_us - HANDED_OVER_LATE_US
    events, size, late = add_up(messages.events, messages.lengths, due_us, first, last, late_us)
    account.messages += last - first
    account.events += events
    account.bytes += size
    account.handed_over_late += late
    account.worst_delay_us = max(account.worst_delay_us, now_us - int(due_us[first]))


@compiled
def add_up(
    events: I32, lengths: I64, due_us: I64, first: int, last: int, then_us: int
) -> tuple[int, int, int]:
    """Events and bytes of messages ``first`` to ``last`` (exclusive), and how many were due before then."""
    count = size = late = 0
    for index in range(first, last):
        count += events[index]
        size += lengths[index]
        late += due_us[index] < then_us
    return count, size, late
