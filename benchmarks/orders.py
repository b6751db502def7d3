"""Seeded single-event orders of fixed length, made in columns, for measuring."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from loadgen.client import Client
from loadgen.json_bytes import Messages

START_MS = 1_576_123_200_000
"""2019-12-12T12:00:00+08:00."""
TEMPLATE = (
    b'{"order_id":"o000000000000","merchant_id":"m0000000","member_id":"u00000000","amount":0000,'
    b'"quantity":0,"status":"paid","event_time":0000000000000,"channel":"koubei"}'
)
CHUNK = 50_000


def zipf_merchants(
    rng: np.random.Generator, count: int, merchants: int, exponent: float, hot_share: float = 0.0
) -> npt.NDArray[np.int64]:
    """Merchant numbers with Zipf popularity; ``hot_share`` of all orders go to merchant 0 besides."""
    weights = np.arange(1, merchants + 1, dtype=np.float64) ** -exponent
    cumulative = np.cumsum(weights / weights.sum())
    chosen = np.searchsorted(cumulative, rng.random(count)).clip(max=merchants - 1)
    return np.where(rng.random(count) < hot_share, 0, chosen)


def chunks(
    count: int,
    merchants: int,
    events_a_second: int,
    exponent: float = 1.1,
    hot_share: float = 0.0,
    packed: int = 1,
) -> Iterator[Messages]:
    """Messages in the order of their event times, which advance by ``events_a_second``."""
    rng = np.random.default_rng(20191212)
    for first in range(0, count, CHUNK):
        size = min(CHUNK, count - first)
        numbers = np.arange(first, first + size)
        times = START_MS + numbers * 1000 // events_a_second
        lines = np.tile(np.frombuffer(TEMPLATE + b"\n", np.uint8), (size, 1))
        digits(TEMPLATE, lines, b':"o', numbers, 12)
        digits(TEMPLATE, lines, b':"m', zipf_merchants(rng, size, merchants, exponent, hot_share), 7)
        digits(TEMPLATE, lines, b':"u', rng.integers(0, 10**8, size), 8)
        digits(TEMPLATE, lines, b"amount", rng.integers(1000, 10_000, size), 4, skip=8)
        digits(TEMPLATE, lines, b"quantity", rng.integers(1, 4, size), 1, skip=10)
        digits(TEMPLATE, lines, b"event_time", times, 13, skip=12)
        yield messages_of(lines, times, packed)


def digits(
    template: bytes,
    lines: npt.NDArray[np.uint8],
    mark: bytes,
    values: npt.NDArray[np.int64],
    width: int,
    skip: int = 3,
) -> None:
    """Write numbers into all lines, ``skip`` bytes behind the beginning of ``mark`` in the template."""
    at = template.index(mark) + skip
    left = values.copy()
    for place in range(width - 1, -1, -1):
        lines[:, at + place] = 48 + left % 10
        left //= 10


def messages_of(lines: npt.NDArray[np.uint8], times: npt.NDArray[np.int64], packed: int) -> Messages:
    """Lines of one width as messages of ``packed`` events each."""
    width = lines.shape[1]
    firsts = np.arange(0, len(lines), packed)
    lasts = np.minimum(firsts + packed, len(lines))
    none = np.zeros(len(firsts), np.int64)
    return Messages(
        data=lines.reshape(-1),
        starts=firsts * width,
        lengths=(lasts - firsts) * width - 1,
        key_starts=none,
        key_lengths=none,
        partition=0,
        timestamps_ms=times[lasts - 1],
        due_ms=none,
        events=(lasts - firsts).astype(np.int32),
    )


def produce(brokers: str, topic: str, partitions: int, stream: Iterator[Messages]) -> int:
    """Send messages to the partitions in turn, a chunk each; the number of events."""
    client = Client({"bootstrap.servers": brokers, "compression.type": "none"}, [topic])
    client.settle()
    sent = 0
    try:
        for turn, chunk in enumerate(stream):
            messages = replace(chunk, partition=turn % partitions)
            due = np.zeros(len(messages), np.int64)
            done = 0
            while done < len(messages):
                done += client.send(0, messages, due, done, len(messages))
                client.poll(5 if done < len(messages) else 0)
            sent += int(messages.events.sum())
        client.flush(60.0)
    finally:
        client.close()
    return sent
