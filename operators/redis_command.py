"""A single Redis command as bytes; those of many rows are made by ``operators.redis_encoding``."""

from __future__ import annotations


def command(*arguments: bytes) -> bytes:
    """A command as Redis takes it."""
    parts = [b"*%d\r\n" % len(arguments)]
    parts += [b"$%d\r\n%b\r\n" % (len(a), a) for a in arguments]
    return b"".join(parts)
