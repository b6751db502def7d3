"""Numbers as decimal text in RESP bulk strings, compiled.

Every function writes at ``out[at]`` and returns the position behind what it wrote; the caller has made
room (``MOST_BYTES`` for one number).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba as nb
import numpy as np

from operators.batches import U8

TEN = np.uint64(10)  # unsigned division needs no care for signs: it is twice as fast

MOST_BYTES = 32
"""Bytes that one number takes at most, with its length and line ends."""

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """``numba.njit`` that releases the GIL, cached on disk, typed as the function it compiles.

    It makes and returns no array: see ``bytes_kernels.compiled``.
    """
    made = nb.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy", _nrt=False)(function)
    return cast(F, made)


@kernel
def digits_of(value: int) -> int:
    """How many decimal digits ``value`` >= 0 has."""
    left = np.uint64(value)
    count = 1
    while left >= TEN:
        left //= TEN
        count += 1
    return count


@kernel
def put_digits(out: U8, at: int, value: int, count: int) -> int:
    """The last ``count`` decimal digits of ``value`` >= 0, with leading zeros."""
    left = np.uint64(value)
    for i in range(at + count - 1, at - 1, -1):
        rest = left // TEN
        out[i] = 48 + np.uint8(left - rest * TEN)
        left = rest
    return at + count


@kernel
def put_line_end(out: U8, at: int) -> int:
    """CR LF."""
    out[at] = 13
    out[at + 1] = 10
    return at + 2


@kernel
def put_length(out: U8, at: int, sign: int, length: int) -> int:
    """``$<length>`` or ``*<length>``: ``sign`` is the first byte."""
    out[at] = sign
    return put_line_end(out, put_digits(out, at + 1, length, digits_of(length)))


@kernel
def put_int(out: U8, at: int, value: int) -> int:
    """A whole number above -2**63 as a bulk string."""
    negative = value < 0
    if negative:
        value = -value
    count = digits_of(value)
    at = put_length(out, at, 36, count + 1 if negative else count)
    if negative:
        out[at] = 45
        at += 1
    return put_line_end(out, put_digits(out, at, value, count))


@kernel
def millionths(value: float) -> int:
    """``value`` in 0 to 9e12, in millionths, rounded as ``format(value, ".6f")`` rounds.

    The product is rounded once by itself; where it seems to lie half-way, its error (Dekker's
    two-product) says on which side the true one lies.
    """
    product = value * 1e6
    whole = int(product)
    rest = product - whole
    if rest != 0.5:
        return whole + 1 if rest > 0.5 else whole
    split = value * 134217729.0  # 2**27 + 1
    high = split - (split - value)
    low = value - high
    error = (high * 1e6 - product) + low * 1e6  # 1e6 has 20 bits: both products are exact
    if error == 0.0:
        return whole + (whole & 1)
    return whole + 1 if error > 0.0 else whole


@kernel
def put_scientific(out: U8, at: int, value: float, sign: int) -> int:
    """A finite number of 9e12 and above, as 16 digits (17 at most) and an exponent.

    One scaling by a power of ten, so that its rounding does not add up: right to 15 digits.
    """
    exponent = math.floor(math.log10(value)) - 15
    scaled = value / 10.0**exponent if exponent > 0 else value * 10.0**-exponent
    whole = int(scaled + 0.5)
    count = digits_of(whole)
    below = 1 if exponent < 0 else 0
    exponent = abs(exponent)
    at = put_length(out, at, 36, sign + count + 1 + below + digits_of(exponent))
    if sign:
        out[at] = 45
        at += 1
    at = put_digits(out, at, whole, count)
    out[at] = 101
    at += 1
    if below:
        out[at] = 45
        at += 1
    return put_line_end(out, put_digits(out, at, exponent, digits_of(exponent)))


@kernel
def put_decimal(out: U8, at: int, value: float) -> int:
    """A finite number as a bulk string, rounded to 6 places, without zeros at the end."""
    sign = 1 if value < 0.0 else 0
    value = abs(value)
    if value >= 9e12:
        return put_scientific(out, at, value, sign)
    scaled = millionths(value)
    if scaled == 0:
        sign = 0
    whole = scaled // 1_000_000
    fraction = scaled - whole * 1_000_000
    places = 6 if fraction else 0
    while places and fraction % 10 == 0:
        fraction //= 10
        places -= 1
    count = digits_of(whole)
    at = put_length(out, at, 36, sign + count + (places + 1 if places else 0))
    if sign:
        out[at] = 45
        at += 1
    at = put_digits(out, at, whole, count)
    if places:
        out[at] = 46
        at = put_digits(out, at + 1, fraction, places)
    return put_line_end(out, at)
