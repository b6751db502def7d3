"""Text in compiled code: constants end to end in one array, and writing them and numbers into another."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from loadgen.draws import I64, U8, inlined

WORD_BYTES: Final = 8


def texts_of(*parts: str) -> tuple[U8, I64]:
    """Texts end to end as UTF-8, behind them a word for ``put_copy``; where each begins and the last ends."""
    encoded = [part.encode() for part in parts]
    starts = np.cumsum([0, *(len(part) for part in encoded)]).astype(np.int64)
    return np.frombuffer(b"".join(encoded) + bytes(WORD_BYTES), np.uint8), starts


@inlined
def put_zeros(data: U8, at: int, count: int) -> int:
    """``count`` times the digit 0."""
    for place in range(at, at + count):
        data[place] = 48
    return at + count


@inlined
def put_copy(data: U8, at: int, source: U8, first: int, last: int) -> int:
    """Bytes ``first`` to ``last`` (exclusive) of ``source``, in words: up to seven behind are touched."""
    to, place = data.ctypes.data + at, source.ctypes.data + first
    for done in range(0, last - first, WORD_BYTES):
        _move_word(to + done, place + done)
    return at + last - first


@intrinsic  # type: ignore[untyped-decorator]
def _move_word(typing_context: Any, to: Any, place: Any) -> Any:  # noqa: ANN401
    """Copy eight bytes from one address to another."""
    signature = types.void(types.intp, types.intp)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ANN401
        word = ir.IntType(64).as_pointer()
        held = builder.load(builder.inttoptr(args[1], word), align=1)
        builder.store(held, builder.inttoptr(args[0], word), align=1)

    return signature, codegen


@inlined
def put_digits(data: U8, at: int, value: int, width: int) -> int:
    """``value`` (0 or more) in decimal, with leading zeros."""
    ten = np.uint64(10)  # without a sign a division is a multiplication and a shift
    rest = np.uint64(value)
    for place in range(at + width - 1, at - 1, -1):
        tenth = rest // ten
        data[place] = np.uint64(48) + rest - ten * tenth
        rest = tenth
    return at + width


@inlined
def put_number(data: U8, at: int, value: int) -> int:
    """``value`` (0 or more) in decimal."""
    width, bound = 1, 10
    while bound <= value:
        width += 1
        bound *= 10
    return put_digits(data, at, value, width)
