"""Compiled walking over JSON text: where a string, a number or a line ends. No Python object per event.

The scanners of orders and clicks share it. They read the plain shape that producers send and nothing else:
whatever they are not sure about (escapes, fractions, nesting, a wrong type, a missing field, broken UTF-8)
they leave, untouched, to the full decoder (``operators.decode``), which alone decides what is wrong with an
event. Property tests hold the two against each other: what a scanner accepts, the full decoder accepts
with the same values.
"""

from __future__ import annotations

import numpy as np

from operators.batches import I64, U8
from operators.bytes_kernels import compiled, inlined, load_u8, load_u64, trailing_zeros
from operators.dimensions import UNKNOWN_TIER, tier_number
from schemas.events import MAX_ID_BYTES

SCANNED, LEFT = 0, 1
"""Outcome of a line: read here, or left to the full decoder."""

PERSON_SEED = 0
"""People are hashed the same way wherever they appear: a visitor and a member of the same id are one."""

QUOTE, COMMA, COLON, OPEN, CLOSE = 34, 44, 58, 123, 125
"""Bytes of JSON."""
MINUS, NULL = 45, 110
"""First bytes of a negative number and of null."""
TEXT, WHOLE, TRUTH = 34, 48, 116
"""Kinds of an optional field's value, by the byte that it begins with."""


def word(text: str) -> np.uint64:
    """The first eight bytes of a name as a number, as ``first_word`` reads them."""
    return np.uint64(int.from_bytes(text.encode()[:8].ljust(8, b"\0"), "little"))


# What a byte means inside a JSON string: 0 plain, 1 the closing quote, 2 left to the full decoder
# (backslash, control character), 3 the beginning of a longer UTF-8 character.
_CLASS = np.zeros(256, np.uint8)
_CLASS[:0x20] = 2
_CLASS[ord('"')] = 1
_CLASS[ord("\\")] = 2
_CLASS[0x80:] = 3
_HIGH = np.uint64(0x8080808080808080)
_ONES = np.uint64(0x0101010101010101)
_QUOTES = np.uint64(0x2222222222222222)
_SLASHES = np.uint64(0x5C5C5C5C5C5C5C5C)
_NEWLINES = np.uint64(0x0A0A0A0A0A0A0A0A)
_SPACES = np.uint64(0x2020202020202020)


@compiled
def after_space(data: U8, p: int) -> int:
    """The first place from ``p`` on that is no space, tab or carriage return."""
    while load_u8(data, p) == 32 or load_u8(data, p) == 9 or load_u8(data, p) == 13:
        p += 1
    return p


@compiled
def _utf8_length(data: U8, p: int) -> int:
    """Length of the well-formed UTF-8 character at ``p`` (RFC 3629), 0 if it is not one."""
    b = load_u8(data, p)
    if 0xC2 <= b <= 0xDF:
        return 2 if load_u8(data, p + 1) & 0xC0 == 0x80 else 0
    if 0xE0 <= b <= 0xEF:
        c = load_u8(data, p + 1)
        low = 0xA0 if b == 0xE0 else 0x80
        high = 0x9F if b == 0xED else 0xBF
        return 3 if low <= c <= high and load_u8(data, p + 2) & 0xC0 == 0x80 else 0
    if 0xF0 <= b <= 0xF4:
        c = load_u8(data, p + 1)
        low = 0x90 if b == 0xF0 else 0x80
        high = 0x8F if b == 0xF4 else 0xBF
        good = (
            low <= c <= high and load_u8(data, p + 2) & 0xC0 == 0x80 and load_u8(data, p + 3) & 0xC0 == 0x80
        )
        return 4 if good else 0
    return 0


@compiled
def string_end(data: U8, p: int) -> int:
    """Index of the quote that closes the string whose text begins at ``p``; -1: left to the full decoder.

    A newline ends every line's bytes and is a control character, so the walk cannot leave the line.
    """
    while True:
        word = load_u64(data, p)
        quote = word ^ _QUOTES
        slash = word ^ _SLASHES
        special = (quote - _ONES) & ~quote
        special |= (slash - _ONES) & ~slash
        special |= (word - _SPACES) & ~word
        special |= word
        special &= _HIGH
        if special == 0:
            p += 8
            continue
        # The lowest mark is exact; borrows can only add false ones above it.
        p += trailing_zeros(special) >> 3
        kind = _CLASS[load_u8(data, p)]
        if kind == 1:
            return p
        if kind == 2:
            return -1
        length = _utf8_length(data, p)
        if length == 0:
            return -1
        p += length


@compiled
def digits_end(data: U8, p: int) -> int:
    """The first place from ``p`` on that is no digit."""
    while 48 <= load_u8(data, p) <= 57:
        p += 1
    return p


@compiled
def whole_number(data: U8, p: int, end: int) -> int:
    """Value of the digits ``data[p:end]`` if they are a JSON integer of at most 18 digits, else -1."""
    if end == p or end - p > 18 or (load_u8(data, p) == 48 and end - p > 1):
        return -1
    value = 0
    for i in range(p, end):
        value = value * 10 + (load_u8(data, i) - 48)
    return value


@compiled
def _number_end(data: U8, p: int) -> int:
    """End of the JSON number at ``p``, -1 if it is none."""
    if load_u8(data, p) == 45:
        p += 1
    end = digits_end(data, p)
    if end == p or (load_u8(data, p) == 48 and end - p > 1):
        return -1
    p = end
    if load_u8(data, p) == 46:
        end = digits_end(data, p + 1)
        if end == p + 1:
            return -1
        p = end
    if load_u8(data, p) == 101 or load_u8(data, p) == 69:
        p += 1
        if load_u8(data, p) == 43 or load_u8(data, p) == 45:
            p += 1
        end = digits_end(data, p)
        if end == p:
            return -1
        p = end
    return p


@compiled
def _literal_end(data: U8, p: int) -> int:
    """End of ``true``, ``false`` or ``null`` at ``p``, -1 if none stands there."""
    word = load_u64(data, p)
    four = word & np.uint64(0xFFFFFFFF)
    if four == np.uint64(0x65757274) or four == np.uint64(0x6C6C756E):
        return p + 4
    if word & np.uint64(0xFFFFFFFFFF) == np.uint64(0x65736C6166):
        return p + 5
    return -1


@compiled
def unknown_end(data: U8, p: int) -> int:
    """End of a string, number or literal that nobody asks for; -1 for anything else."""
    if load_u8(data, p) == 34:
        end = string_end(data, p + 1)
        return end + 1 if end >= 0 else -1
    if load_u8(data, p) == 45 or 48 <= load_u8(data, p) <= 57:
        return _number_end(data, p)
    return _literal_end(data, p)


@compiled
def typed_end(data: U8, p: int, first: int) -> int:
    """End of an optional field's value at ``p`` if it begins as its kind does (or is null), else -1."""
    b = load_u8(data, p)
    if b == 110:
        return _literal_end(data, p)
    if first == 34 and b == 34:
        end = string_end(data, p + 1)
        return end + 1 if end >= 0 else -1
    if first == 48 and (b == 45 or 48 <= b <= 57):
        start = p + 1 if b == 45 else p
        end = digits_end(data, start)
        return (
            end
            if whole_number(data, start, end) >= 0 and not (b == 45 and load_u8(data, start) == 48)
            else -1
        )
    if first == 116 and (b == 116 or b == 102):
        return _literal_end(data, p)
    return -1


@inlined
def id_end(data: U8, p: int) -> int:
    """End of the id at ``p``, behind its quotation mark; -1 if it is no text, is empty or too long."""
    end = string_end(data, p + 1)
    return end + 1 if load_u8(data, p) == QUOTE and 0 < end - p - 1 <= MAX_ID_BYTES else -1


@compiled
def first_word(data: U8, p: int, length: int) -> np.uint64:
    """The first eight bytes of a name, zeros behind a shorter one."""
    head: np.uint64 = load_u64(data, p)
    if length < 8:
        head &= (np.uint64(1) << np.uint64(8 * length)) - np.uint64(1)
    return head


@compiled
def value_at(data: U8, p: int) -> int:
    """Where the value begins of the key whose closing quote is at ``p``; -1 if no colon follows."""
    p = after_space(data, p + 1)
    if load_u8(data, p) != COLON:
        return -1
    return after_space(data, p + 1)


@inlined
def ends_at(data: U8, p: int) -> bool:
    """Whether the object ends behind the value that ends at ``p``."""
    return bool(load_u8(data, p) == CLOSE or load_u8(data, after_space(data, p)) == CLOSE)


@inlined
def text_length(data: U8, p: int, end: int) -> int:
    """Length of the text whose JSON string begins at ``p`` and ends before ``end``; 0 for null."""
    return end - p - 2 if load_u8(data, p) == TEXT else 0


@inlined
def tier_at(data: U8, p: int, end: int) -> int:
    """The city tier in ``data[p:end]``, a JSON integer or null, as it is kept in a column."""
    if load_u8(data, p) == 110:
        return UNKNOWN_TIER
    return int(tier_number(whole_number(data, p, end)))


@compiled
def _newline_at(data: U8, p: int, stop: int) -> int:
    """Index of the first newline in ``data[p:stop]``, ``stop`` if there is none."""
    while p < stop:
        word = load_u64(data, p) ^ _NEWLINES
        found = (word - _ONES) & ~word & _HIGH
        if found != 0:
            return int(min(p + (trailing_zeros(found) >> 3), stop))
        p += 8
    return stop


@compiled
def split_lines(data: U8, starts: I64, lengths: I64, lines: I64) -> int:
    """Cut every value at its newlines: rows (message, start, end, number in message) into ``lines``.

    Blank lines are no events, but a value that has no other line becomes one line, so that it is
    counted. Returns the number of rows; if ``lines`` is too short, minus the number it should have.
    """
    count = 0
    room = len(lines)
    for message in range(len(starts)):
        position = starts[message]
        stop = position + max(lengths[message], 0)
        number = 0
        found = False
        while position < stop or not found:
            line_end = _newline_at(data, position, stop)
            # A line of white space alone holds no event, unless the value has nothing else.
            if after_space(data, position) < line_end or (line_end >= stop and not found):
                if count < room:
                    lines[count, 0] = message
                    lines[count, 1] = position
                    lines[count, 2] = line_end
                    lines[count, 3] = number
                count += 1
                found = True
            number += 1
            position = line_end + 1
    return count if count <= room else -count
