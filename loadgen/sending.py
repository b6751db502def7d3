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
from loadgen.draws import I64
from loadgen.json_bytes import Messages
from loadgen.pacing import Pace
from loadgen.facts import KINDS
from loadgen.stream import Block

ON_TIME_US: Final = 100_000
"""A message handed over this much after it was due at most counts as on time."""
LONGEST_WAIT_MS: Final = 20
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
    overdue: int = 0
    """Messages handed over more than ``ON_TIME_US`` after they were due."""
    worst_delay_us: int = 0
    kinds: I64 = field(default_factory=lambda: np.zeros(len(KINDS), np.int64))
    seconds: float = 0.0

    @property
    def on_time_share(self) -> float:
        """Messages handed over on time, of all so far; 1 before the first."""
        return 1.0 - self.overdue / self.messages if self.messages else 1.0


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
    tick: Callable[[Block | None], None] = lambda _: None,
    share: float = 1.0,
) -> None:
    """Send a stream to topic number ``lane`` and wait for every answer.

    ``tick`` is called after each block, and at least every few milliseconds with None while one is sent.
    Raises ``DeliveryError`` when the broker answers nothing for ``PATIENCE_S`` at the end.
    """
    start_us: int | None = None
    client.settle()
    try:
        for block in ahead(stream):
            if start_us is None:
                start_us = client.now_us()
            due = pace.due_us(block.messages, account.events, share)
            _send_block(client, lane, block, [d + start_us for d in due], pace, account, tick)
            for facts in block.facts:
                account.kinds += facts.kinds
            account.seconds = (client.now_us() - start_us) / 1e6
            tick(block)
        client.flush(PATIENCE_S)
    finally:
        account.seconds = (client.now_us() - (start_us or 0)) / 1e6


def _send_block(
    client: Client,
    lane: int,
    block: Block,
    due_us: list[I64],
    pace: Pace,
    account: Account,
    tick: Callable[[Block | None], None],
) -> None:
    sent = [0] * len(block.messages)
    limits = _slices(block) if pace.unpaced else iter(())
    limit_ms = next(limits, None)
    while any(done < len(m) for done, m in zip(sent, block.messages, strict=True)):
        moved = full = False
        for index, messages in enumerate(block.messages):
            now_us = client.now_us()
            if limit_ms is None:
                end = int(np.searchsorted(due_us[index], now_us, side="right"))
            else:
                end = int(np.searchsorted(messages.due_ms, limit_ms))
                due_us[index][sent[index] : end] = now_us
            wanted = min(end, sent[index] + AT_ONCE)
            if wanted > sent[index]:
                taken = client.send(lane, messages, due_us[index], sent[index], wanted)
                _book(account, messages, due_us[index], sent[index], sent[index] + taken, now_us)
                sent[index] += taken
                moved = moved or taken > 0
                full = full or sent[index] < wanted
        if limit_ms is not None and not moved and not full:
            limit_ms = next(limits, block.end_ms)
        wait_ms = 0 if moved or (limit_ms is not None and not full) else _wait_ms(client, due_us, sent, full)
        client.poll(wait_ms)
        tick(None)


def _slices(block: Block) -> Iterator[int]:
    first = min((int(m.due_ms[0]) for m in block.messages if len(m)), default=0)
    return (first + (block.end_ms - first) * step // SLICES for step in range(1, SLICES + 1))


def _wait_ms(client: Client, due_us: list[I64], sent: list[int], full: bool) -> int:
    if full:
        return LONGEST_WAIT_MS
    nexts = [int(due[done]) for due, done in zip(due_us, sent, strict=True) if done < len(due)]
    if not nexts:
        return 0
    return max(0, min(LONGEST_WAIT_MS, (min(nexts) - client.now_us()) // 1000))


def _book(account: Account, messages: Messages, due_us: I64, first: int, last: int, now_us: int) -> None:
    if last == first:
        return
    account.messages += last - first
    account.events += int(messages.events[first:last].sum())
    account.bytes += int(messages.lengths[first:last].sum())
    account.overdue += int(np.searchsorted(due_us[first:last], now_us - ON_TIME_US))
    account.worst_delay_us = max(account.worst_delay_us, now_us - int(due_us[first]))
