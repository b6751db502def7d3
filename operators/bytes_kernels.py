"""Compiled work on bytes: loads, hashing, interning ids to row numbers.

Everything here is exact: two ids are the same only if all their bytes are. The hash is part of the
state's layout (it decides the shard of a merchant), so its values are pinned by a test.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numba as nb
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from operators.batches import I32, I64, U8

U64 = npt.NDArray[np.uint64]
PADDING_BYTES = 8
"""Buffers that are hashed have at least this many readable bytes behind their last one."""

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """``numba.njit`` with a cache on disk, typed as the function it compiles.

    Without numba's counts of references: the caller holds the arrays for as long as the function runs, and
    an atomic count for each array at each use was five sixths of what reading an event cost. So the
    function cannot make or return an array; see ``allocating``.
    """
    result: F = nb.njit(cache=True, boundscheck=False, _nrt=False)(function)
    return result


def allocating(function: F) -> F:
    """``compiled`` for a function that makes arrays."""
    result: F = nb.njit(cache=True, boundscheck=False, _nrt=True)(function)
    return result


def inlined(function: F) -> F:
    """The same for a small function with many arrays, which would cost more to hand over than its work."""
    result: F = nb.njit(cache=True, boundscheck=False, forceinline=True, _nrt=False)(function)
    return result


@intrinsic  # type: ignore[untyped-decorator]
def load_u64(typing_context: Any, data: Any, index: Any) -> Any:  # noqa: ANN401 - numba's types
    """Eight bytes of a uint8 array from ``index`` on, little-endian, unaligned."""
    signature = types.uint64(types.Array(types.uint8, 1, "C"), types.int64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ANN401
        array = make_array(sig.args[0])(context, builder, args[0])
        pointer = builder.gep(array.data, [args[1]])
        wide = builder.bitcast(pointer, ir.PointerType(ir.IntType(64)))
        return builder.load(wide, align=1)

    return signature, codegen


@intrinsic  # type: ignore[untyped-decorator]
def store_u64(typing_context: Any, data: Any, index: Any, word: Any) -> Any:  # noqa: ANN401
    """Write a word to a uint8 array from ``index`` on, little-endian, unaligned."""
    signature = types.void(types.Array(types.uint8, 1, "C"), types.int64, types.uint64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ANN401
        array = make_array(sig.args[0])(context, builder, args[0])
        pointer = builder.gep(array.data, [args[1]])
        builder.store(args[2], builder.bitcast(pointer, ir.PointerType(ir.IntType(64))), align=1)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic  # type: ignore[untyped-decorator]
def load_u8(typing_context: Any, data: Any, index: Any) -> Any:  # noqa: ANN401
    """One byte of a uint8 array as int64, without numba's test for a negative index."""
    signature = types.int64(types.Array(types.uint8, 1, "C"), types.int64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ANN401
        array = make_array(sig.args[0])(context, builder, args[0])
        byte = builder.load(builder.gep(array.data, [args[1]]))
        return builder.zext(byte, ir.IntType(64))

    return signature, codegen


@intrinsic  # type: ignore[untyped-decorator]
def trailing_zeros(typing_context: Any, word: Any) -> Any:  # noqa: ANN401
    """Number of zero bits below the lowest one of a uint64 that is not 0."""
    signature = types.int64(types.uint64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ANN401
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return signature, codegen


@intrinsic  # type: ignore[untyped-decorator]
def bytes_in_use(typing_context: Any, word: Any) -> Any:  # noqa: ANN401
    """Bytes of a uint64 up to its highest one that is not 0; 0 for 0."""
    signature = types.int64(types.uint64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ANN401
        wide = ir.IntType(64)
        zeros = builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))
        return builder.lshr(builder.sub(ir.Constant(wide, 71), zeros), ir.Constant(wide, 3))

    return signature, codegen


AHEAD = 12
"""How many events ahead a kernel asks for memory: about as long as memory takes."""


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typing_context: Any, array: Any, index: Any) -> Any:  # noqa: ANN401
    """Ask for the cache line of an item of an array that is read soon; any index will do.

    Kernels that look into tables larger than the caches mostly wait: asked for some events ahead, several
    lines are on their way at once.
    """
    signature = types.void(array, types.int64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ANN401
        held = make_array(sig.args[0])(context, builder, args[0])
        pointer = builder.bitcast(builder.gep(held.data, [args[1]]), ir.PointerType(ir.IntType(8)))
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [pointer.type], kind)
        builder.call(fetch, [pointer, number(1), number(3), number(1)])
        return context.get_dummy_value()

    return signature, codegen


@compiled
def hash_bytes(data: U8, start: int, length: int, seed: int) -> np.uint64:
    """64-bit hash of ``data[start : start + length]``: multiply and fold, eight bytes a step.

    The mixer is that of MurmurHash3's 64-bit finaliser (Appleby, public domain). Reads up to 7 bytes
    beyond the end, which ``PADDING_BYTES`` allows, and masks them away.
    """
    prime = np.uint64(0x9E3779B97F4A7C15)
    h = (np.uint64(seed) + np.uint64(1)) * prime ^ np.uint64(length)
    position = start
    left = length
    while left > 0:
        word = load_u64(data, position)
        if left < 8:
            word &= (np.uint64(1) << np.uint64(8 * left)) - np.uint64(1)
        h = (h ^ word) * np.uint64(0xFF51AFD7ED558CCD)
        h ^= h >> np.uint64(32)
        position += 8
        left -= 8
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    h ^= h >> np.uint64(29)
    h *= prime
    h ^= h >> np.uint64(32)
    return h


class InternTable(NamedTuple):
    """The arrays of an ``Interner``, as kernels take them."""

    slots: I32  # power of two; row + 1, 0 = free
    hashes: U64  # by row
    offsets: I64  # by row, into arena
    lengths: I32  # by row
    arena: U8
    counts: I64  # [rows, arena bytes]


@inlined
def same_bytes(one: U8, at: int, other: U8, start: int, length: int) -> bool:
    """Whether ``length`` bytes are the same. Both are padded."""
    done = 0
    while length - done >= 8:
        if load_u64(one, at + done) != load_u64(other, start + done):
            return False
        done += 8
    rest = length - done
    if rest == 0:
        return True
    differing = load_u64(one, at + done) ^ load_u64(other, start + done)
    return bool(differing << np.uint64(64 - 8 * rest) == 0)


@inlined
def _first_slot(slots: I32, hashed: np.uint64) -> int:
    """Where the search for an id begins."""
    return int(np.int64(hashed & np.uint64(0x7FFFFFFFFFFFFFFF)) & (len(slots) - 1))


@inlined
def _slot_of(table: InternTable, data: U8, start: int, length: int, hashed: np.uint64) -> int:
    """Slot of the id ``data[start : start + length]``, or the free one where it belongs."""
    mask = len(table.slots) - 1
    slot = np.int64(_first_slot(table.slots, hashed))
    while True:
        row = table.slots[slot] - 1
        if row < 0:
            return int(slot)
        likely = table.hashes[row] == hashed and table.lengths[row] == length
        if likely and same_bytes(table.arena, table.offsets[row], data, start, length):
            return int(slot)
        slot = (slot + 1) & mask


@inlined
def find(table: InternTable, data: U8, start: int, length: int, hashed: np.uint64) -> int:
    """Row of the id ``data[start : start + length]``, -1 if it has none."""
    return int(table.slots[_slot_of(table, data, start, length, hashed)] - 1)


@compiled
def _add(table: InternTable, data: U8, start: int, length: int, hashed: np.uint64) -> int:
    """A new row for an id that has none."""
    row = table.counts[0]
    used = table.counts[1]
    table.slots[_slot_of(table, data, start, length, hashed)] = row + 1
    table.hashes[row] = hashed
    table.offsets[row] = used
    table.lengths[row] = length
    for i in range(length):
        table.arena[used + i] = data[start + i]
    table.counts[0] = row + 1
    table.counts[1] = used + length
    return int(row)


@inlined
def intern(table: InternTable, data: U8, start: int, length: int, hashed: np.uint64) -> int:
    """Row of the id ``data[start : start + length]``; a new row if it has none. There must be room."""
    row = find(table, data, start, length, hashed)
    return row if row >= 0 else _add(table, data, start, length, hashed)


class FoundIds(NamedTuple):
    """Where ids stand in a batch's bytes, ``n`` each."""

    at: I64
    lengths: I32
    hashes: U64

    @staticmethod
    def empty(rows: int) -> FoundIds:
        """Room for ``rows`` ids."""
        return FoundIds(np.empty(rows, np.int64), np.empty(rows, np.int32), np.empty(rows, np.uint64))


@compiled
def intern_found(table: InternTable, data: U8, found: FoundIds, outcome: U8, rows: I32) -> None:
    """Intern the ids of those with outcome 0, in order. There must be room.

    A look-up goes from the slot to what is known of its row and on to the id's bytes. With a million ids each
    of these steps waits for memory, so each is asked for some ids ahead of the next.
    """
    for i in range(len(rows)):
        soon = i + 3 * AHEAD
        if soon < len(rows) and outcome[soon] == 0:
            prefetch(table.slots, _first_slot(table.slots, found.hashes[soon]))
        soon -= AHEAD
        if soon < len(rows) and outcome[soon] == 0:
            row = table.slots[_first_slot(table.slots, found.hashes[soon])]
            prefetch(table.hashes, np.int64(row) - 1)
            prefetch(table.offsets, np.int64(row) - 1)
            prefetch(table.lengths, np.int64(row) - 1)
        soon -= AHEAD
        if soon < len(rows) and outcome[soon] == 0:
            row = table.slots[_first_slot(table.slots, found.hashes[soon])]
            if row > 0:
                prefetch(table.arena, table.offsets[row - 1])
        if outcome[i] == 0:
            rows[i] = intern(table, data, found.at[i], found.lengths[i], found.hashes[i])


@compiled
def _rehash(slots: I32, hashes: U64, rows: int) -> None:
    mask = len(slots) - 1
    for row in range(rows):
        slot = np.int64(_first_slot(slots, hashes[row]))
        while slots[slot] != 0:
            slot = (slot + 1) & mask
        slots[slot] = row + 1


@compiled
def pack_ids(table: InternTable, rows: I32, offsets: I32, data: U8) -> None:
    """Ids of ``rows`` one after the other into ``data``, padded; ``offsets`` already hold the sums."""
    for i in range(len(rows)):
        if i + 2 * AHEAD < len(rows):
            prefetch(table.offsets, rows[i + 2 * AHEAD])
        if i + AHEAD < len(rows):
            prefetch(table.arena, table.offsets[rows[i + AHEAD]])
        base = table.offsets[rows[i]]
        # Eight bytes at a time, the last of them beyond the id: there the next one comes.
        for j in range(0, table.lengths[rows[i]], 8):
            store_u64(data, offsets[i] + j, load_u64(table.arena, base + j))


def grown(array: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """A copy with room for ``size`` entries on the first axis, zeros behind the old ones."""
    wider = np.zeros((size, *array.shape[1:]), array.dtype)
    wider[: len(array)] = array
    return wider


class Interner:
    """Ids to dense row numbers, 0 upwards, in the order of their first appearance."""

    def __init__(self, rows: int = 1024, arena_bytes: int = 16 * 1024) -> None:
        self.table = InternTable(
            slots=np.zeros(2 * rows, np.int32),
            hashes=np.zeros(rows, np.uint64),
            offsets=np.zeros(rows, np.int64),
            lengths=np.zeros(rows, np.int32),
            arena=np.zeros(arena_bytes + PADDING_BYTES, np.uint8),
            counts=np.zeros(2, np.int64),
        )

    def __len__(self) -> int:
        return int(self.table.counts[0])

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(a.nbytes for a in self.table)

    def reserve(self, new_ids: int, new_bytes: int) -> None:
        """Make room, so that a kernel may add ``new_ids`` ids of ``new_bytes`` bytes in all."""
        t = self.table
        rows = len(self) + new_ids
        if rows > len(t.hashes):
            size = max(rows, 2 * len(t.hashes))
            t = t._replace(
                hashes=grown(t.hashes, size), offsets=grown(t.offsets, size), lengths=grown(t.lengths, size)
            )
        if 2 * rows > len(t.slots):
            slots = np.zeros(1 << (2 * rows - 1).bit_length(), np.int32)
            _rehash(slots, t.hashes, len(self))
            t = t._replace(slots=slots)
        need = int(t.counts[1]) + new_bytes + PADDING_BYTES
        if need > len(t.arena):
            t = t._replace(arena=grown(t.arena, max(need, 2 * len(t.arena))))
        self.table = t

    def add(self, identifier: str) -> int:
        """Row of one id."""
        raw = identifier.encode()
        data = np.frombuffer(raw + bytes(PADDING_BYTES), np.uint8).copy()
        self.reserve(1, len(raw))
        hashed = np.uint64(hash_bytes(data, 0, len(raw), 0))
        return int(intern(self.table, data, 0, len(raw), hashed))

    def add_packed(self, offsets: I32, data: U8, hashes: U64) -> I32:
        """Rows of ids as ``packed`` gives them; ``hashes``: theirs."""
        self.reserve(len(hashes), int(offsets[-1] - offsets[0]))
        found = FoundIds(offsets[:-1].astype(np.int64), offsets[1:] - offsets[:-1], hashes)
        rows: I32 = np.empty(len(hashes), np.int32)
        intern_found(self.table, data, found, np.zeros(len(hashes), np.uint8), rows)
        return rows

    def text(self, row: int) -> str:
        """The id of a row."""
        start = int(self.table.offsets[row])
        return self.table.arena[start : start + int(self.table.lengths[row])].tobytes().decode()

    def texts(self, rows: npt.NDArray[np.integer]) -> list[str]:
        """The ids of rows."""
        offsets, data = self.packed(rows.astype(np.int32))
        raw = data.tobytes()
        return [raw[start:stop].decode() for start, stop in pairwise(offsets.tolist())]

    def packed(self, rows: I32) -> tuple[I32, U8]:
        """Ids of ``rows`` one after the other: offsets (n + 1) and bytes (padded)."""
        offsets = np.zeros(len(rows) + 1, np.int32)
        np.cumsum(self.table.lengths[rows], out=offsets[1:])
        data = np.zeros(int(offsets[-1]) + PADDING_BYTES, np.uint8)
        pack_ids(self.table, rows, offsets, data)
        return offsets, data


def stable_hash(text: str, seed: int = 0) -> int:
    """``hash_bytes`` of a string, for names that are made rarely."""
    raw = text.encode()
    data = np.frombuffer(raw + bytes(PADDING_BYTES), np.uint8).copy()
    return int(hash_bytes(data, 0, len(raw), seed))
