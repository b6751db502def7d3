"""The text between two values of an event, from the end of one to the beginning of the next, known again.

A producer writes the same fields in the same order, so behind an amount there is nearly always the same
``,"status":``. To compare it with what stood there in an event before, all at once, takes a fraction of what
it takes to read it: where the name begins and ends, which field it is, where its value begins. Equal bytes
mean the same, so nothing is taken for granted: what is not known is read, and then known.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from operators.batches import U8
from operators.bytes_kernels import compiled, inlined, load_u8, load_u64, store_u64
from operators.json_scan import QUOTE, after_space, string_end, value_at

LONGEST: Final = 24
"""Bytes of a text that is remembered: longer ones are read each time."""
_WAYS: Final = 2
"""Texts remembered behind each field: some events have an optional field there, others have not."""
# A text in 64 bytes: itself, padded to three words; the bits of them that count; its length; its field.
_ENTRY: Final = 64
_MASKS: Final = 24
_LENGTH: Final = 48
_FIELD: Final = 56
UNKNOWN: Final = -1
"""In place of a field: none of the texts stands there."""


def no_keys(fields: int) -> U8:
    """Room for what stands behind each of ``fields`` fields, with nothing in it yet."""
    return np.zeros(fields * _WAYS * _ENTRY, np.uint8)


@inlined
def _stands_at(keys: U8, entry: int, data: U8, p: int) -> bool:
    differing = (load_u64(data, p) ^ load_u64(keys, entry)) & load_u64(keys, entry + _MASKS)
    differing |= (load_u64(data, p + 8) ^ load_u64(keys, entry + 8)) & load_u64(keys, entry + _MASKS + 8)
    differing |= (load_u64(data, p + 16) ^ load_u64(keys, entry + 16)) & load_u64(keys, entry + _MASKS + 16)
    return bool(differing == 0 and load_u64(keys, entry + _LENGTH) != 0)


@inlined
def known_key(keys: U8, before: int, data: U8, p: int) -> tuple[int, int]:
    """The field whose value comes next and where it begins, if the text at ``p`` is known, else ``UNKNOWN``.

    ``before``: the field whose value ends at ``p``.
    """
    entry = before * (_WAYS * _ENTRY)
    if not _stands_at(keys, entry, data, p):
        entry += _ENTRY
        if not _stands_at(keys, entry, data, p):
            return UNKNOWN, p
    value = np.int64(p + np.int64(load_u64(keys, entry + _LENGTH)))
    return int(np.int64(load_u64(keys, entry + _FIELD))), int(value)


@compiled
def remember_key(keys: U8, before: int, data: U8, p: int, value: int, field: int) -> None:
    """Remember that the text from ``p`` to ``value`` leads from the field ``before`` to ``field``.

    The one that was remembered longer is forgotten.
    """
    if value - p > LONGEST:
        return
    entry = before * (_WAYS * _ENTRY)
    for at in range(entry, entry + _ENTRY, 8):
        store_u64(keys, at + _ENTRY, load_u64(keys, at))
    for at in range(0, LONGEST, 8):
        left = value - p - at
        mask = np.uint64(0xFFFFFFFFFFFFFFFF)
        if left <= 0:
            mask = np.uint64(0)
        elif left < 8:
            mask = (np.uint64(1) << np.uint64(8 * left)) - np.uint64(1)
        store_u64(keys, entry + at, load_u64(data, p + at) & mask)
        store_u64(keys, entry + _MASKS + at, mask)
    store_u64(keys, entry + _LENGTH, np.uint64(value - p))
    store_u64(keys, entry + _FIELD, np.uint64(field))


@compiled
def read_key(data: U8, p: int, mark: int) -> tuple[int, int, int]:
    """Begin and length of the name of the field that comes next, and where its value begins.

    ``p``: end of the value before, or the begin of the event; ``mark``: what comes before the name there. A
    value's begin below 0: no name stands there, or one that is left to the full decoder.
    """
    p = after_space(data, p)
    if load_u8(data, p) != mark:
        return 0, 0, -1
    p = after_space(data, p + 1)
    if load_u8(data, p) != QUOTE:
        return 0, 0, -1
    name = p + 1
    p = string_end(data, name)
    if p < 0:
        return 0, 0, -1
    return name, p - name, value_at(data, p)
