"""A state as bytes, without what its arrays do not use.

Nine tenths of a shard's bytes are zeros: room to grow, clicks of merchants whom nobody has clicked, small
numbers in wide columns. Pickled objects come first, arrays of some size behind them: of every word how many
of its lower bytes are in use, half a byte each, then these bytes. Arrays are read where they lie, so that a
state takes no second copy of itself in memory, and room to grow takes none when it is read again.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from operators.batches import U8
from operators.bytes_kernels import U64, bytes_in_use, compiled, load_u64, store_u64

_MAGIC: Final = b"warroom state 1\n"
_PREFIX_BYTES: Final = len(_MAGIC) + 16
"""Behind the magic stand the bytes that the state takes in memory, and those that are pickled."""
_SMALL_BYTES: Final = 4096
"""Arrays below this stay among the pickled objects: one by itself costs more to handle than its bytes."""
_WORD_BYTES: Final = 8
_NIBBLES: Final = 16
"""Of a word."""
_MASK: Final = np.uint64((1 << 64) - 1)


@compiled
def pack_words(words: U64, widths: U64, out: U8, at: int) -> int:
    """Write the bytes in use of every word behind each other from ``at`` on; where they end.

    ``widths``: how many bytes, 16 words' in one. ``out``: room for all words and one more.
    """
    for first in range(0, len(words), _NIBBLES):
        told = np.uint64(0)
        for i in range(first, min(first + _NIBBLES, len(words))):
            width = bytes_in_use(words[i])
            store_u64(out, at, words[i])
            at += int(width)
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
            width = np.int64(told & np.uint64(15))
            if width:
                words[place] = load_u64(data, at) & (_MASK >> np.uint64(64 - 8 * width))
                at += width
            told >>= np.uint64(4)
            place += 1
    return at


def _words(raw: U8) -> U64:
    """All whole words of an array's bytes."""
    return raw[: len(raw) // _WORD_BYTES * _WORD_BYTES].view(np.uint64)


def _width_words(words: U64) -> int:
    return -(-len(words) // _NIBBLES)


def pack_state(state: object) -> bytes:
    """Any picklable object, as one block."""
    raws: list[U8] = []

    def aside(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < _SMALL_BYTES:
            return True
        raws.append(np.frombuffer(raw, np.uint8))
        return False

    pickled = pickle.dumps(state, protocol=5, buffer_callback=aside)
    held = len(pickled) + sum(len(raw) for raw in raws)
    numbers = held.to_bytes(8, "little"), len(pickled).to_bytes(8, "little")
    parts: list[bytes] = [_MAGIC, *numbers, pickled]
    out = np.empty(max(map(len, raws), default=0) + _WORD_BYTES, np.uint8)
    for raw in raws:
        words = np.require(_words(raw), requirements=("ALIGNED", "WRITEABLE"))
        widths = np.empty(_width_words(words), np.uint64)
        end = pack_words(words, widths, out, 0)
        parts += [len(raw).to_bytes(8, "little"), widths.tobytes(), out[:end].tobytes()]
        parts.append(raw[words.nbytes :].tobytes())
    return b"".join(parts)


def held_bytes(block: bytes) -> int:
    """How many bytes the state in a block takes in memory. Raises ``ValueError`` as ``unpack_state``."""
    if not block.startswith(_MAGIC):
        raise ValueError("state in a form that this version does not read")
    return int.from_bytes(block[len(_MAGIC) : len(_MAGIC) + 8], "little")


def unpack_state(block: bytes) -> Any:  # noqa: ANN401 - whatever was packed
    """The reverse of ``pack_state``. Raises ``ValueError`` if another version wrote it."""
    held_bytes(block)
    pickled = int.from_bytes(block[_PREFIX_BYTES - 8 : _PREFIX_BYTES], "little")
    end = _PREFIX_BYTES + pickled
    return pickle.loads(memoryview(block)[_PREFIX_BYTES:end], buffers=_arrays(block, end))


def _arrays(block: bytes, at: int) -> Iterator[U8]:
    # Words are read whole, also the last one, and an array over ``bytes`` cannot be handed to a kernel.
    data = np.frombuffer(block + bytes(_WORD_BYTES), np.uint8).copy()
    while at < len(block):
        size = int.from_bytes(block[at : at + 8], "little")
        raw = np.zeros(size, np.uint8)
        words = _words(raw)
        at += 8
        widths = np.frombuffer(block, np.uint64, _width_words(words), at).copy()
        at = unpack_words(widths, data, at + widths.nbytes, words)
        raw[words.nbytes :] = data[at : at + size - words.nbytes]
        at += size - words.nbytes
        yield raw
