"""Sketches of distinct people: which ranks were seen in each register, and how many people that means.

A token falls into one register and has a rank (``people_tables.rank_of``): rank k with probability 2**-k.
What is known of a register are ranks that were seen and ranks that were not; the estimate is the number of
people under which all of it together is most likely (Poisson model: rank k unseen with probability
exp(-w * 2**-k), w people a register). Three forms, none of which depends on the order of events:

- A window that only grows keeps one byte a register: the greatest rank, and whether the two below it were
  seen. That is the register of Ertl, "UltraLogLog: A Practical and More Space-Efficient Alternative to
  HyperLogLog for Approximate Distinct Counting" (VLDB 2024): standard error 0.761 / sqrt(m), 1.37 % in 3 KiB.
- A window that slides keeps when each rank was last seen (a *plane* of stamps a rank), so every rank's bit
  is known in any stretch up to now: the bitmaps of Flajolet and Martin, "Probabilistic counting algorithms
  for data base applications" (1985). Read by greatest likelihood (Lang, "Back to the future: an even more
  nearly optimal cardinality estimation algorithm", 2017) their standard error is 0.649 / sqrt(m), 1.66 %.
- The total of all merchants has more registers: 1.01 %.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from operators.batches import F64, I32, I64, U8
from operators.bytes_kernels import U64, allocating, compiled, inlined
from operators.people_tables import MOST_RANK, TIME_BITS, rank_of

REGISTERS: Final = 3072
"""Of a window that grows, one byte each."""
PLANE_REGISTERS: Final = 1536
"""Of a window that slides, two bytes each and rank."""
TOTAL_REGISTERS: Final = 4096
STANDARD_ERROR: Final = 1.04 / math.sqrt(REGISTERS)
"""Of registers of which only the greatest rank is known (HyperLogLog): 1.88 %."""
GROWING_ERROR: Final = 0.7608 / math.sqrt(REGISTERS)
SLIDING_ERROR: Final = 0.6495 / math.sqrt(PLANE_REGISTERS)
TOTAL_ERROR: Final = 0.6495 / math.sqrt(TOTAL_REGISTERS)
VALUES: Final = 4 * (MOST_RANK + 1)
"""Values of a byte: the greatest rank, then a bit for the rank below it and one for that below that."""
MOST_STAMP: Final = (1 << 32) - 2

U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]


@inlined
def register_in(token: np.uint64, registers: int) -> int:
    """The register of a token among so many, by its upper 32 bits; ``rank_of`` takes the lower 28."""
    return int(((token >> np.uint64(8)) * np.uint64(registers)) >> np.uint64(32))


@inlined
def register_of(token: np.uint64) -> int:
    """The register of a token among ``REGISTERS``."""
    return register_in(token, REGISTERS)


@compiled
def with_rank(value: int, rank: int) -> int:
    """A byte register that has also seen ``rank``."""
    held = value >> 2
    if rank > held:
        # What was the greatest rank, and the bit below it, move down.
        seen = (value & 3) | (4 if held else 0)
        return (rank << 2) | ((seen >> (rank - held)) & 3 if rank - held < 3 else 0)
    if rank == held - 1:
        return value | 2
    if rank == held - 2:
        return value | 1
    return value


@compiled
def likeliest(seen: I64, unseen: I64, registers: int) -> float:
    """How many people are most likely, if ``seen[k]`` registers saw rank k and ``unseen[k]`` did not.

    The derivative of the log-likelihood falls and is convex in the people a register, so Newton's method
    from a point before its zero (by 1 / (exp(x) - 1) >= 1 / x - 1 / 2) approaches it from there.
    """
    hits = 0.0
    never = 0.0
    weight = 0.0
    highest = 0
    for rank in range(1, MOST_RANK + 1):
        share = 0.5 ** min(rank, MOST_RANK - 1)
        hits += seen[rank]
        never += share * unseen[rank]
        weight += share * (unseen[rank] + 0.5 * seen[rank])
        if seen[rank]:
            highest = rank
    if hits == 0.0:
        return 0.0
    people = hits / weight
    for _ in range(60):
        value = -never
        slope = 0.0
        # From the highest rank down x doubles, and exp(2x) - 1 = (exp(x) - 1) * (exp(x) + 1): one for all.
        share = 0.5 ** min(highest, MOST_RANK - 1)
        grown = math.expm1(people * share)
        for rank in range(highest, 0, -1):
            if seen[rank]:
                inverse = 1.0 / grown
                value += share * seen[rank] * inverse
                slope -= share * share * seen[rank] * inverse * (1.0 + inverse)
            if rank < MOST_RANK:  # the last two ranks have the same share
                share *= 2.0
                grown *= grown + 2.0
        step = value / slope
        people -= step
        if abs(step) < 1e-7 * people:
            break
    return people * registers


@allocating
def estimated(histogram: I32) -> float:
    """Distinct people from how many byte registers have each value (``VALUES`` entries)."""
    seen = np.zeros(MOST_RANK + 1, np.int64)
    unseen = np.zeros(MOST_RANK + 1, np.int64)
    below = 0  # registers whose greatest rank is less than ``rank``
    for rank in range(MOST_RANK + 1):
        unseen[rank] += below
        for bits in range(4):
            count = histogram[4 * rank + bits]
            below += count
            if rank:
                seen[rank] += count
            for down in range(1, 3):
                if rank > down:
                    if bits >> (2 - down) & 1:
                        seen[rank - down] += count
                    else:
                        unseen[rank - down] += count
    return likeliest(seen, unseen, REGISTERS)


@allocating
def people_in(registers: U8) -> float:
    """Distinct people in registers that hold greatest ranks; groups are merged by ``np.maximum``."""
    seen = np.zeros(MOST_RANK + 1, np.int64)
    unseen = np.zeros(MOST_RANK + 1, np.int64)
    for rank in registers:
        seen[rank] += 1
    below = 0
    for rank in range(MOST_RANK + 1):
        unseen[rank] = below
        below += seen[rank]
    return likeliest(seen, unseen, len(registers))


@compiled
def count_values(registers: U8, histogram: I32) -> None:
    """How many registers have each value."""
    histogram[:] = 0
    for value in registers:
        histogram[value] += 1


@compiled
def merge_registers(into: U8, other: U8) -> None:
    """Take the people of other byte registers in: the result is that of both groups together."""
    for i in range(len(into)):
        held = other[i] >> 2
        value = into[i]
        for down in range(2, 0, -1):
            if held > down and other[i] >> (2 - down) & 1:
                value = with_rank(value, held - down)
        if held:
            value = with_rank(value, held)
        into[i] = value


@compiled
def seen_in_plane(stamps: U16, start: int) -> int:
    """How many registers have seen the plane's rank at ``start`` or later."""
    least = np.uint16(start)
    count = 0
    for stamp in stamps:
        count += int(stamp >= least)
    return count


@compiled
def seen_in_entries(entries: U64, starts: I64, bitmaps: U64, seen: I64) -> None:
    """Add the (register, rank) pairs of a table's entries that were seen since each of two ``starts``.

    ``seen``: 2 x ranks; ``bitmaps``: registers of a plane, overwritten: the first start's ranks in the lower
    half of a word, the second's in the upper one. Without a branch, as nobody could foretell it.
    """
    bitmaps[:] = 0
    first, second = np.uint64(starts[0]), np.uint64(starts[1])
    for word in entries:  # a free one has the time 0, before every start
        time = word & np.uint64((1 << TIME_BITS) - 1)
        token = word >> np.uint64(TIME_BITS)
        rank = np.uint64(rank_of(token))
        at = register_in(token, PLANE_REGISTERS)
        since = np.uint64(time >= first) | np.uint64(time >= second) << np.uint64(32)
        fresh = since & ~(bitmaps[at] >> rank)
        bitmaps[at] |= since << rank
        seen[0, rank] += np.int64(fresh & np.uint64(1))
        seen[1, rank] += np.int64(fresh >> np.uint64(32))


@compiled
def stamp_people(tokens: U64, buckets: I64, stamps: U32) -> None:
    """Note when ranks were last seen; ``stamps``: MOST_RANK x TOTAL_REGISTERS, finest buckets, 0 = never."""
    for i in range(len(tokens)):
        token = tokens[i]
        rank = rank_of(token) - 1
        at = register_in(token, TOTAL_REGISTERS)
        stamps[rank, at] = max(stamps[rank, at], np.uint32(min(buckets[i], MOST_STAMP)))


@compiled
def bitmaps_since(stamps: U32, start: int, bitmaps: U32) -> None:
    """Which ranks each register has seen from bucket ``start`` up to now: bit k for rank k."""
    bitmaps[:] = 0
    least = np.uint32(start)
    for rank in range(MOST_RANK):
        bit = np.uint32(1) << np.uint32(rank + 1)
        for i in range(len(bitmaps)):
            bitmaps[i] |= bit if stamps[rank, i] >= least else np.uint32(0)


def people_in_bitmaps(bitmaps: U32) -> float:
    """Distinct people in bitmaps; those of several groups are merged by ``np.bitwise_or``."""
    ranks = np.arange(MOST_RANK + 1)
    seen = np.array([np.count_nonzero(bitmaps >> np.uint32(k) & np.uint32(1)) for k in ranks], np.int64)
    return float(likeliest(seen, len(bitmaps) - seen, len(bitmaps)))


def told_returning(people: F64) -> F64:
    """Returning buyers, ... x (day, sale): NaN where neither has any, since perhaps no order says so."""
    return np.where(people.any(axis=-1, keepdims=True), people, np.nan)
