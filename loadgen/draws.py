"""Random draws that are the same everywhere: a counter hashed with splitmix64, integers only.

No draw depends on the one before it, so any process can make any part of a scenario, and no floating
point is involved, so any machine makes the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import numba as nb
import numpy as np
import numpy.typing as npt

F = TypeVar("F", bound=Callable[..., Any])
I8 = npt.NDArray[np.int8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]

WEYL: Final = np.uint64(0x9E3779B97F4A7C15)
_A: Final = np.uint64(0xBF58476D1CE4E5B9)
_B: Final = np.uint64(0x94D049BB133111EB)
_30: Final = np.uint64(30)
_27: Final = np.uint64(27)
_31: Final = np.uint64(31)
_32: Final = np.uint64(32)
CHANCE_ONE: Final = 1 << 32
"""A probability of 1, as ``chance`` counts."""


def compiled(function: F) -> F:
    """``numba.njit`` without the interpreter's lock, cached on disk, typed as what it compiles.

    Without numba's counts of references, an atomic step for each array at each use: the caller holds the
    arrays for as long as the function runs. So the function cannot make or return an array; see
    ``allocating``.
    """
    result: F = nb.njit(cache=True, nogil=True, boundscheck=False, _nrt=False)(function)
    return result


def allocating(function: F) -> F:
    """``compiled`` for a function that makes arrays."""
    result: F = nb.njit(cache=True, nogil=True, boundscheck=False, _nrt=True)(function)
    return result


def inlined(function: F) -> F:
    """``compiled`` for a small function with arrays: to hand them over costs more than its work."""
    result: F = nb.njit(cache=True, nogil=True, boundscheck=False, forceinline=True, _nrt=False)(function)
    return result


@compiled
def mix(value: np.uint64) -> np.uint64:
    """The finaliser of splitmix64: 64 well-mixed bits of a 64-bit counter."""
    value = (value ^ (value >> _30)) * _A
    value = (value ^ (value >> _27)) * _B
    return value ^ (value >> _31)


@compiled
def draw(key: np.uint64, counter: int) -> np.uint64:
    """64 random bits number ``counter`` of the stream ``key``."""
    return mix(key + np.uint64(counter) * WEYL)


@compiled
def below(bits: np.uint64, bound: int) -> int:
    """``bits`` as an integer from 0 to ``bound`` - 1 (``bound`` at most 2**32); 0 where ``bound`` < 1."""
    if bound < 1:
        return 0
    place: int = np.int64(((bits >> _32) * np.uint64(bound)) >> _32)  # type: ignore[assignment]
    return place


def stream_key(*parts: int) -> np.uint64:
    """The key of a stream named by whole numbers (seed, component, cell …)."""
    key = 0
    for part in parts:
        key = _mix_python((key * 0x9E3779B97F4A7C15 + part + 1) & 0xFFFFFFFFFFFFFFFF)
    return np.uint64(key)


def chance(probability: float) -> int:
    """A probability as a threshold for 32 random bits."""
    return round(probability * CHANCE_ONE)


def _mix_python(value: int) -> int:
    mask = 0xFFFFFFFFFFFFFFFF
    value = ((value ^ (value >> 30)) * int(_A)) & mask
    value = ((value ^ (value >> 27)) * int(_B)) & mask
    return value ^ (value >> 31)
