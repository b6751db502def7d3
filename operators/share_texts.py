"""Merchants' shares as JSON, written in one compiled pass: best first, bounded."""

from __future__ import annotations

import json
from typing import Final, NamedTuple

import numpy as np

from operators.batches import I32, I64, U8
from operators.cut_names import Numbering
from operators.redis_numbers import digits_of, kernel, millionths, put_digits
from operators.shares import VALUES_HELD, Chains, MerchantShares

CHANNELS_TOLD: Final = 10
CATEGORIES_TOLD: Final = 5
TOLD: Final = (CHANNELS_TOLD, CATEGORIES_TOLD)
"""Values of each dimension that are told of a merchant."""
_NUMBERS_BYTES: Final = 64
"""Room for the numbers of one value and what stands between them."""
_NULL: Final = np.frombuffer(b"null", np.uint8)


class _NameTexts(NamedTuple):
    data: U8
    ends: I64  # name i as a JSON string is data[ends[i - 1] : ends[i]]
    ranks: I32  # in the order of names


@kernel
def _put_share(out: U8, at: int, gmv: int, whole: int) -> int:
    """``gmv / whole`` rounded to 6 places, null where the divisor is 0."""
    if whole <= 0:
        for i in range(4):
            out[at + i] = _NULL[i]
        return at + 4
    scaled = millionths(gmv / whole)
    units = scaled // 1_000_000
    fraction = scaled - units * 1_000_000
    at = put_digits(out, at, units, digits_of(units))
    if fraction == 0:
        return at
    places = 6
    while fraction % 10 == 0:
        fraction //= 10
        places -= 1
    out[at] = 46
    return put_digits(out, at + 1, fraction, places)


@kernel
def _put_value(out: U8, at: int, c: Chains, entry: int, whole: int, names: _NameTexts) -> int:
    out[at] = 91
    at += 1
    name = c.name[entry]
    for i in range(names.ends[name - 1], names.ends[name]):
        out[at] = names.data[i]
        at += 1
    out[at] = 44
    at = put_digits(out, at + 1, c.orders[entry], digits_of(c.orders[entry]))
    out[at] = 44
    at = put_digits(out, at + 1, c.gmv[entry], digits_of(c.gmv[entry]))
    out[at] = 44
    at = _put_share(out, at + 1, c.gmv[entry], whole)
    out[at] = 93
    return at + 1


@kernel
def _put_shares(
    c: Chains,
    rows: I64,
    dimension: int,
    most: int,
    whole: I64,
    names: _NameTexts,
    entries: I64,
    out: U8,
    ends: I64,
) -> None:
    """The array of every row one after the other, none for a row without values.

    ``entries``: room for those of one row.
    """
    at = 0
    for i in range(len(rows)):
        count = 0
        entry = c.heads[rows[i], dimension] - 1 if rows[i] < len(c.heads) else -1
        while entry >= 0:
            # Sorted in by gmv, greatest first, equal ones by name.
            place = count
            while place > 0:
                other = entries[place - 1]
                before = c.gmv[other] > c.gmv[entry] or (
                    c.gmv[other] == c.gmv[entry] and names.ranks[c.name[other]] < names.ranks[c.name[entry]]
                )
                if before:
                    break
                entries[place] = other
                place -= 1
            entries[place] = entry
            count += 1
            entry = c.after[entry] - 1
        if count:
            out[at] = 91
            at += 1
            for j in range(min(count, most)):
                if j:
                    out[at] = 44
                    at += 1
                at = _put_value(out, at, c, entries[j], whole[i], names)
            out[at] = 93
            at += 1
        ends[i] = at


class ShareTexts:
    """Writes the shares of one shard's merchants; the texts of names are kept at hand."""

    def __init__(self, shares: MerchantShares) -> None:
        self._shares = shares
        self._names: list[_NameTexts | None] = [None, None]

    def of(self, rows: I64, gmv_day: I64) -> list[tuple[bytes | None, bytes | None]]:
        """Channels and categories of some merchants as JSON, None where a merchant has none.

        ``gmv_day``: of each, what its shares are of.
        """
        if not len(rows):
            return []
        numbers = self._shares.numbers
        channels = self._texts(0, numbers.channels, rows, gmv_day)
        return list(zip(channels, self._texts(1, numbers.categories, rows, gmv_day), strict=True))

    def _texts(self, dimension: int, numbering: Numbering, rows: I64, whole: I64) -> list[bytes | None]:
        names = self._names_of(dimension, numbering)
        most = TOLD[dimension]
        longest = int(np.diff(names.ends, prepend=0).max())
        out = np.empty(len(rows) * (most * (longest + _NUMBERS_BYTES) + 2), np.uint8)
        ends = np.empty(len(rows), np.int64)
        entries = np.empty(VALUES_HELD + 1, np.int64)
        _put_shares(self._shares.chains, rows, dimension, most, whole, names, entries, out, ends)
        text = out[: ends[-1]].tobytes()
        starts = [0, *ends[:-1].tolist()]
        return [text[start:end] or None for start, end in zip(starts, ends.tolist(), strict=True)]

    def _names_of(self, dimension: int, numbering: Numbering) -> _NameTexts:
        held = self._names[dimension]
        names = numbering.names
        if held is None or len(held.ends) != len(names):
            texts = [json.dumps(name, ensure_ascii=False).encode("utf-8", "replace") for name in names]
            ranks = np.empty(len(names), np.int32)
            ranks[np.array(sorted(range(len(names)), key=names.__getitem__))] = np.arange(len(names))
            held = _NameTexts(
                np.frombuffer(b"".join(texts), np.uint8), np.cumsum([len(t) for t in texts]), ranks
            )
            self._names[dimension] = held
        return held
