"""HyperLogLog registers: how many distinct people, within 1.04 / sqrt(REGISTERS) = 1.88 % standard error.

Flajolet, Fusy, Gandouet and Meunier, "HyperLogLog: the analysis of a near-optimal cardinality estimation
algorithm" (2007), read with the improved raw estimator of Ertl, "New cardinality estimation algorithms for
HyperLogLog sketches" (2017), algorithm 6: right from 0 up, for any number of registers, without tables of
corrections.

Two forms. A window that only grows keeps a register's greatest rank: one byte, so 3 KiB. A window that
slides keeps, for each rank, when it was last seen (a *plane* of stamps); the register's value in any stretch
up to now is the greatest rank seen in it, exactly what plain registers of that stretch would hold. Neither
depends on the order of events.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from operators.batches import I32, I64, U8
from operators.bytes_kernels import U64, compiled
from operators.people_tables import MOST_RANK, TIME_BITS, rank_of

REGISTERS: Final = 3072
"""One byte each: 3 KiB."""
STANDARD_ERROR: Final = 1.04 / math.sqrt(REGISTERS)
VALUES: Final = MOST_RANK + 1
"""Values that a register takes: 0 (nobody) to ``MOST_RANK``."""

MOST_STAMP: Final = (1 << 32) - 2

U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]


@compiled
def register_of(token: np.uint64) -> int:
    """The register of a token, by its upper 32 bits; ``rank_of`` takes the lower 28."""
    return int(((token >> np.uint64(8)) * np.uint64(REGISTERS)) >> np.uint64(32))


@compiled
def _sigma(x: float) -> float:
    if x == 1.0:
        return math.inf
    y, z, before = 1.0, x, -1.0
    while z != before:
        x *= x
        before = z
        z += x * y
        y += y
    return z


@compiled
def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z, before = 1.0, 1.0 - x, -1.0
    while z != before:
        x = math.sqrt(x)
        before = z
        y *= 0.5
        z -= (1.0 - x) ** 2 * y
    return z / 3.0


@compiled
def estimated(histogram: I32) -> float:
    """Distinct people from how many registers have each value (``VALUES`` entries)."""
    m = float(REGISTERS)
    z = m * _tau(1.0 - histogram[MOST_RANK] / m)
    for value in range(MOST_RANK - 1, 0, -1):
        z = 0.5 * (z + histogram[value])
    z += m * _sigma(histogram[0] / m)
    return float(m * m * 0.5 / math.log(2.0) / z)


@compiled
def count_values(registers: U8, histogram: I32) -> None:
    """How many registers have each value."""
    # Four counters side by side: equal neighbours would wait for each other.
    parts = np.zeros((4, 32), np.int32)
    for i in range(0, REGISTERS, 4):
        parts[0, registers[i]] += 1
        parts[1, registers[i + 1]] += 1
        parts[2, registers[i + 2]] += 1
        parts[3, registers[i + 3]] += 1
    for value in range(VALUES):
        histogram[value] = parts[0, value] + parts[1, value] + parts[2, value] + parts[3, value]


@compiled
def raise_from_plane(stamps: U16, start: int, rank: int, registers: U8) -> None:
    """Raise the registers in which ``rank`` was seen at ``start`` or later; ranks must come ascending."""
    least = np.uint16(start)
    value = np.uint8(rank)
    for i in range(REGISTERS):
        registers[i] = value if stamps[i] >= least else registers[i]


@compiled
def raise_from_entries(entries: U64, start: int, registers: U8) -> None:
    """Raise the registers of the entries of a table that were seen at ``start`` or later."""
    for word in entries:
        if word != 0 and np.int64(word & np.uint64((1 << TIME_BITS) - 1)) >= start:
            token = word >> np.uint64(TIME_BITS)
            place = register_of(token)
            registers[place] = max(registers[place], np.uint8(rank_of(token)))


@compiled
def stamp_people(tokens: U64, buckets: I64, stamps: U32) -> None:
    """Note when each rank was last seen; ``stamps``: MOST_RANK x REGISTERS, finest buckets, 0 = never."""
    for i in range(len(tokens)):
        token = tokens[i]
        rank = rank_of(token) - 1
        place = register_of(token)
        stamps[rank, place] = max(stamps[rank, place], np.uint32(min(buckets[i], MOST_STAMP)))


@compiled
def registers_since(stamps: U32, start: int, registers: U8) -> None:
    """Plain registers of the stretch from bucket ``start`` up to now."""
    registers[:] = 0
    least = np.uint32(start)
    for rank in range(MOST_RANK):
        value = np.uint8(rank + 1)
        for i in range(REGISTERS):
            registers[i] = value if stamps[rank, i] >= least else registers[i]


@compiled
def people_in(registers: U8) -> float:
    """Distinct people in plain registers; those of several groups are merged by ``np.maximum``."""
    histogram = np.zeros(VALUES, np.int32)
    count_values(registers, histogram)
    return estimated(histogram)
