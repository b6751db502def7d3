"""Compiled work on buyers and who of them came back. ``operators.people_loyalty`` says how.

A merchant with more buyers than a list holds has its numbers at hand (``tallies``), since to count them anew
took most of the time of telling them: each order corrects them by what it changes. They are of the windows
that began when they were counted; where another day has begun since, or a table was halved, they are
counted anew.
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
"""A row's tallies: (day, sale) x (buyers held, with two orders, that came back, ``OF_DAY``)."""
OF_DAY: Final = 3
"""Beside the day's three: when that day begins, 0 where nothing was counted yet."""
_KNOWN: Final = np.uint64(1 << (2 * TIME_BITS))


@inlined
def _tally(tallies: I32, row: int, day: int, sale: int, word: np.uint64, second: np.uint64, by: int) -> None:
    """Add a buyer ``by`` times, or take it away (-1). ``word``, ``second``: its entry; 0: nobody's."""
    last = np.int64(word & np.uint64(MOST_TIME))
    before = np.int64(second & np.uint64(MOST_TIME))
    back = np.int64(second >> np.uint64(TIME_BITS) & np.uint64(MOST_TIME))
    if second & _KNOWN:
        back = last
    tallies[row, 0, 0] += by * int(last >= day)
    tallies[row, 0, 1] += by * int(before >= day)
    tallies[row, 0, 2] += by * int(back >= day)
    tallies[row, 1, 0] += by * int(last >= sale)
    tallies[row, 1, 1] += by * int(before >= sale)
    tallies[row, 1, 2] += by * int(back >= sale)


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
    """Note paid orders from number ``begin`` on; (next one, why it stopped). ``kept`` and ``day`` by zone."""
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
            if status != DONE:
                thin(t, row, keep)
                tallies[row, 0, OF_DAY] = 0
                if status != FULL:
                    t.counts[1] += 1
                if rank_of(token) <= t.level[row]:
                    continue
            slot = find(t, row, token)
        today = day[zone[row]]
        tallied = t.caps[t.kind[row]] > LISTED and tallies[row, 0, OF_DAY] == today
        not_first = time if person & np.uint64(NOT_FIRST) else np.uint64(0)
        if slot >= 0:
            if tallied:
                _tally(tallies, row, today, sale, t.arena[slot], t.more[slot], -1)
            last = t.arena[slot] & np.uint64(MOST_TIME)
            before = t.more[slot] & np.uint64(MOST_TIME)
            back = t.more[slot] >> np.uint64(TIME_BITS) & np.uint64(MOST_TIME)
            before = max(before, min(last, time))
            back = max(back, not_first)
            t.arena[slot] = token << np.uint64(TIME_BITS) | max(last, time)
            t.more[slot] = t.more[slot] & _KNOWN | back << np.uint64(TIME_BITS) | before
        else:
            slot = -2 - slot
            t.arena[slot] = token << np.uint64(TIME_BITS) | time
            flag = np.uint64(0)
            if len(known) and _is_known(known, known_at[row], known_count[row], token):
                flag = _KNOWN
            t.more[slot] = flag | not_first << np.uint64(TIME_BITS)
            t.used[row] += 1
        if tallied:
            _tally(tallies, row, today, sale, t.arena[slot], t.more[slot], 1)
        elif t.caps[t.kind[row]] > LISTED:
            tallies[row, 0, OF_DAY] = 0
    return len(rows), DONE


@compiled
def mark_known(t: Tables, row: int, known: U64, at: int, count: int) -> None:
    """Set the mark of each of the row's buyers anew."""
    start = np.int64(t.at[row])
    cap = t.caps[t.kind[row]]
    for i in range(start, start + (t.used[row] if cap <= LISTED else cap)):
        if t.arena[i] != 0:
            t.more[i] &= ~_KNOWN
            if _is_known(known, at, count, t.arena[i] >> np.uint64(TIME_BITS)):
                t.more[i] |= _KNOWN


@compiled
def count_back(t: Tables, rows: I64, zone: U8, day: I64, sale: int, tallies: I32, counts: I64) -> None:
    """``counts``: n x (day, sale) x (buyers held, with two orders, that came back)."""
    for i in range(len(rows)):
        row = rows[i]
        today = day[zone[row]]
        start = np.int64(t.at[row])
        cap = t.caps[t.kind[row]]
        if cap <= LISTED or tallies[row, 0, OF_DAY] != today:
            tallies[row, :, :] = 0
            for j in range(start, start + (t.used[row] if cap <= LISTED else cap)):
                if t.arena[j] != 0:
                    _tally(tallies, row, today, sale, t.arena[j], t.more[j], 1)
            if cap > LISTED:  # of a list, orders correct nothing: it is as soon counted anew
                tallies[row, 0, OF_DAY] = today
        for w in range(2):
            for k in range(3):
                counts[i, w, k] = tallies[row, w, k]
