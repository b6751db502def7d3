"""Whole numbers as the bytes of them that are in use: of each how many, half a byte, then these bytes.

Most numbers of this product are small and stand in columns of 64 bits: times since the one before, orders of
a merchant in five seconds, and zeros.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from operators.batches import U8
from operators.bytes_kernels import U64, bytes_in_use, compiled, load_u64, store_u64

WORD_BYTES: Final = 8
_NIBBLES: Final = 16
"""Of a word."""
_ALL: Final = np.uint64((1 << 64) - 1)


@compiled
def pack_words(words: U64, widths: U64, out: U8, at: int) -> int:
    """Write the bytes in use of every word behind each other from ``at`` on; where they end.

    ``widths``: how many bytes, 16 words' in one. ``out``: room for all words and one more.
    """
    for first in range(0, len(words), _NIBBLES):
        told = np.uint64(0)
        for i in range(first, min(first + _NIBBLES, len(words))):
            width = int(bytes_in_use(words[i]))
            store_u64(out, at, words[i])
            at += width
            told |= np.uint64(width) << np.uint64(4 * (i - first))
        widths[first // _NIBBLES] = told
    return at


@compiled
def unpack_words(widths: U64, data: U8, at: int, words: U64) -> int:
    """The reverse of ``pack_words``: where the bytes end. ``words``: zeros, left alone where they stay so."""
    for first in range(0, len(words), _NIBBLES):
        told = widths[first // _NIBBLES]
        place = first
        while told != 0:
            width = int(told & np.uint64(15))
            if width:
                words[place] = load_u64(data, at) & (_ALL >> np.uint64(64 - 8 * width))
                at += width
            told >>= np.uint64(4)
            place += 1
    return at


def packed(words: U64) -> list[bytes]:
    """Words as bytes, in two parts to be written one behind the other."""
    widths = np.empty(-(-len(words) // _NIBBLES), np.uint64)
    out = np.empty(words.nbytes + WORD_BYTES, np.uint8)
    end = pack_words(words, widths, out, 0)
    return [widths.tobytes(), out[:end].tobytes()]


def unpacked(data: U8, at: int, words: U64) -> int:
    """The reverse: fill ``words``, which are zeros, from ``at`` on; where their bytes end.

    ``data``: has ``WORD_BYTES`` to be read behind its last byte.
    """
    widths = np.empty(-(-len(words) // _NIBBLES), np.uint64)
    start = at + widths.nbytes
    widths.view(np.uint8)[:] = data[at:start]
    return int(unpack_words(widths, data, start, words))


def padded(block: bytes) -> U8:
    """The bytes of a block as ``unpacked`` takes them."""
    data = np.zeros(len(block) + WORD_BYTES, np.uint8)
    data[: len(block)] = np.frombuffer(block, np.uint8)
    return data
