"""A single Redis command as bytes; those of many rows are made by ``operators.redis_encoding``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple


class Arguments(NamedTuple):
    """Some arguments of a command, and how many."""

    number: int
    data: bytes


def arguments(given: Sequence[bytes]) -> Arguments:
    """Arguments as Redis takes them."""
    return Arguments(len(given), b"".join([b"$%d\r\n%b\r\n" % (len(a), a) for a in given]))


_NONE: Final = Arguments(0, b"")


def command(*given: bytes, rest: Arguments = _NONE) -> bytes:
    """A command as Redis takes it; ``rest``: what it ends with."""
    number, data = arguments(given)
    return b"*%d\r\n%b%b" % (number + rest.number, data, rest.data)
