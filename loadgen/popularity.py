"""Who gets an order: alias tables (Vose), exact in whole numbers, one look-up a draw."""

from __future__ import annotations

import numpy as np

from loadgen.draws import I32, I64, U32, allocating

_FULL = np.uint64(0xFFFFFFFF)


def alias_table(weights: I64) -> tuple[U32, I32]:
    """Thresholds and aliases for drawing an index in proportion to ``weights``.

    The weights sum to at most 2**31 and there are at most 2**20 of them. Take column c evenly; the index
    is c if 32 further random bits are at or below ``thresholds[c]``, else ``aliases[c]``.
    """
    thresholds = np.full(len(weights), _FULL, np.uint32)
    aliases = np.arange(len(weights), dtype=np.int32)
    _fill(weights.astype(np.int64) * len(weights), int(weights.sum()), thresholds, aliases)
    return thresholds, aliases


@allocating
def _fill(scaled: I64, total: int, thresholds: U32, aliases: I32) -> None:
    """Pair columns that have less than their even part with ones that have more."""
    count = len(scaled)
    small = np.empty(count, np.int32)
    large = np.empty(count, np.int32)
    smalls = larges = 0
    for index in range(count):
        if scaled[index] < total:
            small[smalls] = index
            smalls += 1
        else:
            large[larges] = index
            larges += 1
    while smalls > 0 and larges > 0:
        smalls -= 1
        poor, rich = small[smalls], large[larges - 1]
        thresholds[poor] = np.uint32(np.uint64(scaled[poor]) * _FULL // np.uint64(total))
        aliases[poor] = rich
        scaled[rich] -= total - scaled[poor]
        if scaled[rich] < total:
            larges -= 1
            small[smalls] = rich
            smalls += 1
