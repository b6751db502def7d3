"""Compiled work on the people of many merchants, small and large. ``operators.people_distinct`` says how.

``t``: tables of persons; times and bounds are 24-bit times of one ``people_span.Era``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from operators.batches import F64, I32, I64, U8
from operators.bytes_kernels import AHEAD, U64, allocating, compiled, inlined, prefetch
from operators.people_registers import (
    PLANE_REGISTERS,
    REGISTERS,
    U16,
    estimated,
    likeliest,
    register_in,
    register_of,
    seen_in_entries,
    seen_in_plane,
    with_rank,
)
from operators.people_tables import (
    DONE,
    LISTED,
    MOST_RANK,
    MOST_TIME,
    NO_ROOM,
    TIME_BITS,
    Tables,
    ask_for_row,
    find,
    gather,
    home,
    kind_for,
    make_room,
    place,
    rank_of,
    thin,
)

DAY_REGISTERS, SALE_REGISTERS = 0, 1
_STAMPS_MOST: Final = (1 << 16) - 1


class Large(NamedTuple):
    """What large merchants have beside their table. ``L`` of them; some numbers are free."""

    number: I32  # by row: its number here, -1 = not large
    registers: U8  # L x (day, sale) x REGISTERS
    histogram: I32  # L x (day, sale) x VALUES
    day: I64  # L: the day of the day's registers, by its first bucket
    planes: I32  # L x (MOST_RANK + 1): where the plane of each rank is, -1 = none
    stamps: U16  # planes x PLANE_REGISTERS: when last seen, since the short base; 0 = never


@inlined
def _register(large: Large, number: int, which: int, token: np.uint64) -> None:
    at = register_of(token)
    before = large.registers[number, which, at]
    after = with_rank(before, rank_of(token))
    if after != before:
        large.registers[number, which, at] = after
        large.histogram[number, which, before] -= 1
        large.histogram[number, which, after] += 1


@compiled
def clear_registers(large: Large, number: int, which: int) -> None:
    """Nobody was there."""
    large.registers[number, which, :] = 0
    large.histogram[number, which, :] = 0
    large.histogram[number, which, 0] = REGISTERS


@inlined
def _note_windows(large: Large, number: int, token: np.uint64, time: int, day: int, sale: int) -> None:
    """Take a person into the registers of the day and the sale."""
    if large.day[number] != day:
        clear_registers(large, number, DAY_REGISTERS)
        large.day[number] = day
    if time >= day:
        _register(large, number, DAY_REGISTERS, token)
    if time >= sale:
        _register(large, number, SALE_REGISTERS, token)


@inlined
def _stamp(large: Large, number: int, rank: int, token: np.uint64, stamp: int) -> None:
    """Note in the plane of its rank, if there is one, when a person was seen."""
    plane = large.planes[number, rank]
    if plane >= 0:
        at = register_in(token, PLANE_REGISTERS)
        if stamp > large.stamps[plane, at]:
            large.stamps[plane, at] = stamp


@compiled
def see_people(
    t: Tables,
    large: Large,
    rows: I32,
    persons: U64,
    times: I64,
    zone: U8,
    day: I64,
    sale: int,
    kept_all: I64,
    kept_hour: int,
    short_offset: int,
    may_grow: bool,
    begin: int,
) -> tuple[int, int]:
    """Note persons (tokens above ``TIME_BITS`` other bits) from number ``begin`` on; (next one, status).

    ``times`` and all bounds count from the same base; ``day`` and ``kept_all`` by zone.
    """
    for i in range(begin, len(rows)):
        if i + 2 * AHEAD < len(rows):
            ask_for_row(t, rows[i + 2 * AHEAD])
        soon = i + AHEAD
        if soon < len(rows):
            prefetch(t.arena, home(t, rows[soon], persons[soon] >> np.uint64(TIME_BITS)))
        row = rows[i]
        token = persons[i] >> np.uint64(TIME_BITS)
        time = times[i]
        here = zone[row]
        number = large.number[row]
        if number >= 0:
            _note_windows(large, number, token, time, day[here], sale)
            keep = kept_hour
        else:
            keep = kept_all[here]
        if time < keep:
            continue
        rank = rank_of(token)
        if rank <= t.level[row]:
            if number >= 0:
                _stamp(large, number, rank, token, time - short_offset)
            continue
        slot = find(t, row, token)
        if slot == -1:
            status = make_room(t, row, keep)
            if status == NO_ROOM and not may_grow and t.kind[row]:
                thin(t, row, keep)
                t.counts[1] += 1
                status = DONE
            if status != DONE:
                return i, status
            if rank <= t.level[row]:
                continue
            slot = find(t, row, token)
        word = token << np.uint64(TIME_BITS) | np.uint64(time)
        if slot >= 0:
            # The token is the same, so the later time makes the greater word.
            t.arena[slot] = max(t.arena[slot], word)
        else:
            t.arena[-2 - slot] = word
            t.used[row] += 1
    return len(rows), DONE


@compiled
def to_registers(t: Tables, large: Large, row: int, day: int, sale: int) -> None:
    """Take everybody in the table of a merchant that has just become large into its registers."""
    number = large.number[row]
    count = gather(t, row, 0, t.level[row])
    for j in range(count):
        word = t.scratch[2 * j]
        time = int(word & np.uint64(MOST_TIME))
        _note_windows(large, number, word >> np.uint64(TIME_BITS), time, day, sale)


@compiled
def to_plane(t: Tables, row: int, keep: int, stamps: U16, short_offset: int) -> None:
    """Raise the row's level by one and bring its people of that rank into a plane of zeros."""
    level = t.level[row] + 1
    count = gather(t, row, keep, t.level[row])
    for j in range(count):
        word = t.scratch[2 * j]
        token = word >> np.uint64(TIME_BITS)
        if rank_of(token) == level:
            at = register_in(token, PLANE_REGISTERS)
            stamps[at] = max(stamps[at], np.int64(word & np.uint64(MOST_TIME)) - short_offset)
    t.level[row] = level
    count = gather(t, row, keep, level)
    place(t, row, count, t.kind[row])


@compiled
def shrink(t: Tables, row: int, keep: int) -> None:
    """Forget what is older than ``keep``; the block stays as large as it is, or becomes smaller."""
    count = gather(t, row, keep, t.level[row])
    if not place(t, row, count, min(kind_for(t, count + 1), int(t.kind[row]))):
        place(t, row, count, t.kind[row])


@inlined
def _widen(counts: F64, sliding: I64, today: int, sale: int) -> None:
    """Let no window show fewer people than one that lies within it, whose estimate is another one.

    All end now, so which lies within which follows from where they begin: a sale of an evening lies within
    its day, and for an hour after midnight the day within the last hour.
    """
    starts = (sliding[0], sliding[1], today, sale)
    told = (counts[0], counts[1], counts[2], counts[3])
    for outer in range(4):
        for inner in range(4):
            if starts[outer] <= starts[inner]:
                counts[outer] = max(counts[outer], told[inner])


@allocating
def count_people(
    t: Tables,
    large: Large,
    rows: I64,
    zone: U8,
    sliding: I64,
    day: I64,
    sale: int,
    short_offset: int,
    counts: F64,
) -> None:
    """Distinct people of some rows in 5m, 1h, day, sale: ``counts`` is n x 4."""
    bitmaps = np.zeros(PLANE_REGISTERS, np.uint64)
    seen = np.zeros((len(sliding), MOST_RANK + 1), np.int64)
    for i in range(len(rows)):
        row = rows[i]
        kind = t.kind[row]
        number = large.number[row]
        start = np.int64(t.at[row])
        stop = start + t.caps[kind]
        if t.caps[kind] <= LISTED:
            stop = start + t.used[row]
        entries = t.arena[start:stop]
        today = day[zone[row]]
        level = t.level[row]
        if number >= 0 and level and large.planes[number, level] >= 0:
            seen[:, :] = 0
            seen_in_entries(entries, sliding, bitmaps, seen)
            for w in range(len(sliding)):
                least = min(max(sliding[w] - short_offset, 1), _STAMPS_MOST)
                for rank in range(1, level + 1):
                    seen[w, rank] = seen_in_plane(large.stamps[large.planes[number, rank]], least)
                counts[i, w] = likeliest(seen[w], PLANE_REGISTERS - seen[w], PLANE_REGISTERS)
        else:
            a = b = c = d = 0
            for word in entries:  # a free one has the time 0, which lies before every window
                time = np.int64(word & np.uint64(MOST_TIME))
                a += int(time >= sliding[0])
                b += int(time >= sliding[1])
                c += int(time >= today)
                d += int(time >= sale)
            scale = float(1 << level)
            counts[i, 0] = a * scale
            counts[i, 1] = b * scale
            counts[i, 2] = c * scale
            counts[i, 3] = d * scale
        if number >= 0:
            counts[i, 2] = 0.0
            if large.day[number] == today:
                counts[i, 2] = estimated(large.histogram[number, DAY_REGISTERS])
            counts[i, 3] = 0.0
            if sale <= MOST_TIME:
                counts[i, 3] = estimated(large.histogram[number, SALE_REGISTERS])
        _widen(counts[i], sliding, today, sale)


@allocating
def all_old(stamps: U16, least: int) -> bool:
    """Whether nobody was seen in a plane at ``least`` or later."""
    return bool(stamps.max() < least)


@allocating
def shift_stamps(stamps: U16, by: int) -> None:
    """Count stamps from a base ``by`` later; what would be before it is forgotten."""
    flat = stamps.reshape(-1)
    for i in range(len(flat)):
        flat[i] = np.uint16(max(int(flat[i]) - by, 0))
