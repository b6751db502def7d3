"""Clicks in bulk: the same messages in every run, made as columns of digits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from benchmarks.orders import CHUNK, START_MS, digits, messages_of, zipf_merchants
from loadgen.json_bytes import Messages

TEMPLATE: Final = (
    b'{"event_id":"e000000000000","merchant_id":"m0000000","visitor_id":"u00000000","action":"view",'
    b'"event_time":0000000000000,"source":"search","channel":"koubei"}'
)
# As wide as what they replace, so that every line has the same width.
ACTIONS: Final = (b'"view"', b'"view"', b'"view"', b'"view"', b'"view"', b'"view"', b'"cart"', b'"join"')
SOURCES: Final = (b'"search"', b'"direct"', b'"mapmap"')


def chunks(
    count: int,
    merchants: int,
    events_a_second: int,
    exponent: float = 1.1,
    hot_share: float = 0.0,
    packed: int = 1,
) -> Iterator[Messages]:
    """Messages in the order of their event times, which advance by ``events_a_second``."""
    rng = np.random.default_rng(20191213)
    for first in range(0, count, CHUNK):
        size = min(CHUNK, count - first)
        numbers = np.arange(first, first + size)
        times = START_MS + numbers * 1000 // events_a_second
        lines = np.tile(np.frombuffer(TEMPLATE + b"\n", np.uint8), (size, 1))
        digits(TEMPLATE, lines, b':"e', numbers, 12)
        digits(TEMPLATE, lines, b':"m', zipf_merchants(rng, size, merchants, exponent, hot_share), 7)
        digits(TEMPLATE, lines, b':"u', rng.integers(0, 10**7, size), 8)
        digits(TEMPLATE, lines, b"event_time", times, 13, skip=12)
        _choose(lines, b'"view"', ACTIONS, rng)
        _choose(lines, b'"search"', SOURCES, rng)
        yield messages_of(lines, times, packed)


def _choose(lines: np.ndarray, mark: bytes, texts: tuple[bytes, ...], rng: np.random.Generator) -> None:
    at = TEMPLATE.index(mark)
    table = np.frombuffer(b"".join(texts), np.uint8).reshape(len(texts), len(mark))
    lines[:, at : at + len(mark)] = table[rng.integers(0, len(texts), len(lines))]
