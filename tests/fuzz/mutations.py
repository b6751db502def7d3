"""Seeded damage to messages: bytes changed, dropped and added, ends cut off, messages glued together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from operators.batches import I64

SPICE = np.frombuffer(
    b'{}[]",:\\ \t\r\n-+.eE0123456789\x00\x1f\x7f\x80\xbf\xc3\xe6\xed\xf0\xf4\xff\xfe', np.uint8
)
"""Bytes that JSON, UTF-8 or lines of events give a meaning to."""
CHANGED_BYTES = 1.2
"""Of a message, on average."""


def mutated(corpus: Sequence[bytes], count: int, seed: int, batch: int = 20_000) -> Iterator[list[bytes]]:
    """``count`` damaged copies of messages of ``corpus``, in batches; one in four is left whole."""
    rng = np.random.default_rng(seed)
    for first in range(0, count, batch):
        size = min(batch, count - first)
        chosen = rng.integers(0, len(corpus), size)
        lengths = np.array([len(corpus[i]) for i in chosen])
        ends = np.cumsum(lengths)
        data = np.frombuffer(b"".join(corpus[i] for i in chosen), np.uint8).copy()
        hit = rng.integers(0, len(data), int(CHANGED_BYTES * size))
        data[hit] = rng.choice(SPICE, len(hit))
        yield _recut(data.tobytes(), ends - lengths, ends, rng)


def _recut(data: bytes, starts: I64, ends: I64, rng: np.random.Generator) -> list[bytes]:
    """Every message, one in four cut, widened, glued to its neighbour, or with a byte more or less."""
    kinds = rng.integers(0, 20, len(starts))
    places = rng.random(len(starts))
    spice = rng.choice(SPICE, len(starts))
    values = []
    for start, end, kind, place, byte in zip(
        starts.tolist(), ends.tolist(), kinds.tolist(), places.tolist(), spice.tolist(), strict=True
    ):
        at = start + int(place * (end - start))
        if kind == 0:
            values.append(data[start:at])
        elif kind == 1:
            values.append(data[at : end + int(place * 300)])
        elif kind == 2:
            values.append(data[start:at] + bytes([byte]) + data[at:end])
        elif kind == 3:
            values.append(data[start:at] + data[at + 1 : end])
        elif kind == 4:
            values.append(data[start:at] + b"\n" * (byte % 3) + data[start:end])
        else:
            values.append(data[start:end])
    return values


def events_in(values: Sequence[bytes]) -> int:
    """How many events the messages hold, good or bad: lines that are not blank, one where there is none."""
    return sum(max(1, sum(bool(line.strip(b" \t\r")) for line in value.split(b"\n"))) for value in values)
