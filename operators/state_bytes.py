"""A state as bytes, without what its arrays do not use.

Nine tenths of a shard's bytes are zeros: room to grow, clicks of merchants whom nobody has clicked, small
numbers in wide columns. Pickled objects come first, arrays of some size behind them, as packed words. Arrays
are read where they lie, so that a state takes no second copy of itself in memory, and room to grow takes none
when it is read again.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from operators.batches import U8
from operators.bytes_kernels import U64
from operators.packed_words import WORD_BYTES, packed, padded, unpacked

_MAGIC: Final = b"warroom state 1\n"
_PREFIX_BYTES: Final = len(_MAGIC) + 16
"""Behind the magic: how many bytes the state takes in memory, which stays only so that files of the versions
that read it can be read, and how many of them are pickled."""
_SMALL_BYTES: Final = 4096
"""Arrays below this stay among the pickled objects: one by itself costs more to handle than its bytes."""


def _words(raw: U8) -> U64:
    """All whole words of an array's bytes."""
    return raw[: len(raw) // WORD_BYTES * WORD_BYTES].view(np.uint64)


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
    for raw in raws:
        words = np.require(_words(raw), requirements=("ALIGNED", "WRITEABLE"))
        parts += [len(raw).to_bytes(8, "little"), *packed(words), raw[words.nbytes :].tobytes()]
    return b"".join(parts)


def unpack_state(block: bytes) -> Any:  # noqa: ANN401 - whatever was packed
    """The reverse of ``pack_state``. Raises ``ValueError`` if another version wrote it."""
    if not block.startswith(_MAGIC):
        raise ValueError("state in a form that this version does not read")
    pickled = int.from_bytes(block[_PREFIX_BYTES - 8 : _PREFIX_BYTES], "little")
    end = _PREFIX_BYTES + pickled
    return pickle.loads(memoryview(block)[_PREFIX_BYTES:end], buffers=_arrays(block, end))


def _arrays(block: bytes, at: int) -> Iterator[U8]:
    data = padded(block)
    while at < len(block):
        size = int.from_bytes(block[at : at + 8], "little")
        raw = np.zeros(size, np.uint8)
        words = _words(raw)
        at = unpacked(data, at + 8, words)
        raw[words.nbytes :] = data[at : at + size - words.nbytes]
        at += size - words.nbytes
        yield raw
