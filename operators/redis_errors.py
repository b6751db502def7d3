"""What can be wrong with Redis that waiting does not mend.

    RedisSinkError
    ├── RedisRefusedError    the settings are wrong: address, password, rights, another layout
    └── FencedError          a newer run writes now; this one has to stop

Everything else (away, slow, loading, full, read-only) is logged and tried again.
Each message is one line and hides the password.
"""

from __future__ import annotations

import redis.exceptions
from redis.connection import parse_url


class RedisSinkError(Exception):
    """Root of what stops a run because of Redis."""


class RedisRefusedError(RedisSinkError):
    """Redis answers, but not with these settings; trying again cannot help."""


class FencedError(RedisSinkError):
    """A run with a greater number owns the results; this process must not write any more."""


def fenced(address: str, ours: int, theirs: int) -> FencedError:
    """The error for run ``ours`` where run ``theirs`` writes now."""
    return FencedError(
        f"run {theirs} writes to {address} now; this is run {ours}, which has been replaced and stops"
    )


def address_of(url: str) -> str:
    """``host:port`` (or the socket's path) and database of a Redis URL, without user and password.

    Raises ``RedisRefusedError`` if it is no such URL.
    """
    try:
        parts: dict[str, object] = parse_url(url)  # type: ignore[no-untyped-call]
    except ValueError as error:
        shown = url.rsplit("@", 1)[-1]
        raise RedisRefusedError(f"{shown!r} is no Redis URL ({error}); use redis://HOST:PORT/0") from None
    place = parts.get("path") or f"{parts.get('host', 'localhost')}:{parts.get('port', 6379)}"
    return f"{place}/{parts.get('db', 0)}"


def refusal(address: str, error: Exception) -> RedisRefusedError | None:
    """The error as a refusal, if it is one that trying again cannot mend."""
    text = str(error)
    if isinstance(error, redis.exceptions.AuthenticationError) or text.startswith(("NOAUTH", "WRONGPASS")):
        # Never the server's own words: some name the user.
        return RedisRefusedError(f"Redis at {address} wants another password or user; see the Redis URL")
    if isinstance(error, redis.exceptions.NoPermissionError) or text.startswith("NOPERM"):
        return RedisRefusedError(f"Redis at {address} does not give this user the rights needed: {text}")
    return None
