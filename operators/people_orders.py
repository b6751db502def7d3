"""Compiled work on buyers and who of them came back. ``operators.people_loyalty`` says how.

A merchant with more buyers than a list holds has its numbers at hand (``tallies``), since to count them anew
took most of the time of telling them: each order corrects them by what it changes. They are of the windows
that began when they were counted; where another day has begun since, or a table was halved, they are
counted anew. They stand by the merchant's block of entries, so that the many small merchants pay nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from operators.batches import I32, I64, U8
from operators.bytes_kernels import AHEAD, U64, compiled, inlined, prefetch
from operators.people_tables import (
    DONE,
    FULL,
    LISTED,
    MOST_TIME,
    NO_ROOM,
    NOT_FIRST,
    SAYS,
    TIME_BITS,
    Tables,
    ask_for_row,
    find,
    home,
    make_room,
    rank_of,
    thin,
)

TALLY: Final = (2, 4)
"""A merchant's tallies: (day, sale) x (buyers held, with two orders, that came back, ``OF_DAY``)."""
ENTRIES_A_TALLY: Final = 2 * LISTED
"""Every table that is no list has a block of so many entries at least."""
OF_DAY: Final = 3
"""Beside the day's three: when that day begins, 0 where nothing was counted yet."""
_KNOWN: Final = np.uint64(1 << (2 * TIME_BITS))


@inlined
def _tally_at(t: Tables, row: int) -> int:
    """Where the tallies of a row are, if its table is no list."""
    return int(t.at[row] // ENTRIES_A_TALLY)


@inlined
def _tally(
    numbers: I32 | I64, at: int, day: int, sale: int, word: np.uint64, second: np.uint64, by: int
) -> None:
    """Add a buyer ``by`` times, or take it away (-1). ``word``, ``second``: its entry."""
    last = np.int64(word & np.uint64(MOST_TIME))
    before = np.int64(second & np.uint64(MOST_TIME))
    back = np.int64(second >> np.uint64(TIME_BITS) & np.uint64(MOST_TIME))
    if second & _KNOWN:
        back = last
    numbers[at, 0, 0] += by * int(last >= day)
    numbers[at, 0, 1] += by * int(before >= day)
    numbers[at, 0, 2] += by * int(back >= day)
    numbers[at, 1, 0] += by * int(last >= sale)
    numbers[at, 1, 1] += by * int(before >= sale)
    numbers[at, 1, 2] += by * int(back >= sale)


@inlined
def _with_order(
    word: np.uint64, second: np.uint64, token: np.uint64, time: np.uint64, not_first: bool
) -> tuple[np.uint64, np.uint64]:
    """A buyer's entry with one more order. ``word`` 0: it had none; ``second`` may tell that it is known."""
    last = word & np.uint64(MOST_TIME)
    before = max(second & np.uint64(MOST_TIME), min(last, time))
    back = second >> np.uint64(TIME_BITS) & np.uint64(MOST_TIME)
    if not_first:
        back = max(back, time)
    word = token << np.uint64(TIME_BITS) | max(last, time)
    return word, second & _KNOWN | back << np.uint64(TIME_BITS) | before


@inlined
def _is_known(known: U64, at: int, count: int, token: np.uint64) -> bool:
    low, high = at, at + count
    while low < high:
        middle = (low + high) // 2
        if known[middle] < token:
            low = middle + 1
        else:
            high = middle
    return low < at + count and known[low] == token


@compiled
def note_orders(
    t: Tables,
    says: U8,
    apart: U8,
    known: U64,
    known_at: I32,
    known_count: I32,
    rows: I32,
    persons: U64,
    times: I64,
    zone: U8,
    kept: I64,
    day: I64,
    sale: int,
    tallies: I32,
    may_grow: bool,
    begin: int,
) -> tuple[int, int]:
    """Note paid orders from number ``begin`` on; (next one, why it stopped). ``kept`` and ``day`` by zone.

    ``FULL``: a table that is not ``apart`` has to be halved.
    """
    for i in range(begin, len(rows)):
        if i + 2 * AHEAD < len(rows):
            ask_for_row(t, rows[i + 2 * AHEAD])
        soon = i + AHEAD
        if soon < len(rows):
            at = home(t, rows[soon], persons[soon] >> np.uint64(TIME_BITS))
            prefetch(t.arena, at)
            prefetch(t.more, at)
        row = rows[i]
        person = persons[i]
        token = person >> np.uint64(TIME_BITS)
        time = np.uint64(times[i])
        keep = kept[zone[row]]
        if person & np.uint64(SAYS):
            says[row] = 1
        if times[i] < keep or rank_of(token) <= t.level[row]:
            continue
        slot = find(t, row, token)
        if slot == -1:
            status = make_room(t, row, keep)
            if status == NO_ROOM and (may_grow or not t.kind[row]):
                return i, NO_ROOM
            if status != DONE and not apart[row]:
                return i, FULL
            if t.caps[t.kind[row]] > LISTED:
                tallies[_tally_at(t, row), 0, OF_DAY] = 0  # perhaps those of whoever had the block before
            if status != DONE:
                thin(t, row, keep)
                if status != FULL:
                    t.counts[1] += 1
                if rank_of(token) <= t.level[row]:
                    continue
            slot = find(t, row, token)
        today = day[zone[row]]
        listed = t.caps[t.kind[row]] <= LISTED
        at = _tally_at(t, row)
        tallied = not listed and tallies[at, 0, OF_DAY] == today
        word = second = np.uint64(0)
        if slot >= 0:
            word, second = t.arena[slot], t.more[slot]
            if tallied:
                _tally(tallies, at, today, sale, word, second, -1)
        else:
            slot = -2 - slot
            t.used[row] += 1
            if len(known) and _is_known(known, known_at[row], known_count[row], token):
                second = _KNOWN
        word, second = _with_order(word, second, token, time, person & np.uint64(NOT_FIRST) != 0)
        t.arena[slot] = word
        t.more[slot] = second
        if tallied:
            _tally(tallies, at, today, sale, word, second, 1)
        elif not listed:
            tallies[at, 0, OF_DAY] = 0
    return len(rows), DONE


@compiled
def mark_known(t: Tables, tallies: I32, row: int, known: U64, at: int, count: int) -> None:
    """Set the mark of each of the row's buyers anew."""
    start = np.int64(t.at[row])
    cap = t.caps[t.kind[row]]
    if cap > LISTED:
        tallies[_tally_at(t, row), 0, OF_DAY] = 0
    for i in range(start, start + (t.used[row] if cap <= LISTED else cap)):
        if t.arena[i] != 0:
            t.more[i] &= ~_KNOWN
            if _is_known(known, at, count, t.arena[i] >> np.uint64(TIME_BITS)):
                t.more[i] |= _KNOWN


@compiled
def count_buyers(
    t: Tables,
    apart: U8,
    rows: I64,
    zone: U8,
    sliding: I64,
    day: I64,
    sale: int,
    tallies: I32,
    recent: I64,
    counts: I64,
) -> None:
    """Count who is held of some rows, ``n``.

    ``recent``: n x (5m, 1h), buyers; zeros of a row that is ``apart``, whose table does not hold them all.
    ``counts``: n x (day, sale) x (buyers held, with two orders, that came back).
    """
    for i in range(len(rows)):
        row = rows[i]
        today = day[zone[row]]
        start = np.int64(t.at[row])
        cap = t.caps[t.kind[row]]
        stop = start + (t.used[row] if cap <= LISTED else cap)
        recent[i, :] = 0
        if not apart[row]:
            for j in range(start, stop):  # a free entry has the time 0, which lies before every window
                time = np.int64(t.arena[j] & np.uint64(MOST_TIME))
                recent[i, 0] += int(time >= sliding[0])
                recent[i, 1] += int(time >= sliding[1])
        at = _tally_at(t, row)
        if cap > LISTED and tallies[at, 0, OF_DAY] == today:
            for w in range(2):
                for k in range(3):
                    counts[i, w, k] = tallies[at, w, k]
            continue
        counts[i, :, :] = 0
        for j in range(start, stop):
            if t.arena[j] != 0:
                _tally(counts, i, today, sale, t.arena[j], t.more[j], 1)
        if cap > LISTED:
            tallies[at, 0, OF_DAY] = today
            for w in range(2):
                for k in range(3):
                    tallies[at, w, k] = counts[i, w, k]
