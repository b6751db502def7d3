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
from operators.bytes_kernels import U64, compiled, inlined, load_u8, load_u64, store_u64
from operators.json_scan import COMMA, OPEN, QUOTE, after_space, first_word, string_end, value_at, word

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
_LONGEST_NAME: Final = 16


def field_table(*names: str) -> U64:
    """The fields that a scanner tells apart, numbered from 0: each name as two words, zeros behind it.

    Any other field has the number behind the last one, and the place before the first field the next.
    """
    assert all(len(name) <= _LONGEST_NAME for name in names)
    return np.array([(word(name), word(name[8:])) for name in names], np.uint64)


def no_keys(fields: U64) -> U8:
    """Room for what stands behind each field of a table, with nothing in it yet."""
    return np.zeros((len(fields) + 2) * _WAYS * _ENTRY, np.uint8)


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
def _number_of(fields: U64, data: U8, name: int, length: int) -> int:
    """The number of the field whose name is ``data[name : name + length]``."""
    if length <= _LONGEST_NAME:
        head = first_word(data, name, length)
        tail = first_word(data, name + 8, length - 8) if length > 8 else np.uint64(0)
        for field in range(len(fields)):
            if fields[field, 0] == head and fields[field, 1] == tail:
                return field
    return len(fields)


@compiled
def _read_key(keys: U8, fields: U64, before: int, data: U8, p: int) -> tuple[int, int]:
    """As ``next_field``, letter by letter; what is read is remembered."""
    start = p
    p = after_space(data, p)
    if load_u8(data, p) != (COMMA if before <= len(fields) else OPEN):
        return UNKNOWN, -1
    p = after_space(data, p + 1)
    if load_u8(data, p) != QUOTE:
        return UNKNOWN, -1
    name = p + 1
    p = string_end(data, name)
    if p < 0:
        return UNKNOWN, -1
    value = value_at(data, p)
    if value < 0:
        return UNKNOWN, -1
    field = _number_of(fields, data, name, p - name)
    remember_key(keys, before, data, start, value, field)
    return field, value


@inlined
def next_field(keys: U8, fields: U64, before: int, data: U8, p: int) -> tuple[int, int]:
    """The field that comes next and where its value begins; below 0: left to the full decoder.

    ``before``: the field whose value ends at ``p``; one more than any field has at the begin of an event.
    """
    field, value = known_key(keys, before, data, p)
    if field == UNKNOWN:
        field, value = _read_key(keys, fields, before, data, p)
    return field, value
