"""One connection to Redis: redis-py for address, TLS, sign-in and single commands, own bytes for bulk.

A transaction of hundreds of writes is one ``send`` and one ``receive``: MULTI, the writes, EXEC, then the
watch on the fence for the next one. redis-py's parser takes 2 to 3 µs for each of the two replies to a
write; here the replies are split at the line ends in one go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from operators.redis_command import command
from operators.redis_errors import address_of

if TYPE_CHECKING:
    from operators.batches import U8

RECEIVE_BYTES = 64 * 1024
_MULTI = command(b"MULTI")
_EXEC = command(b"EXEC")


@dataclass(slots=True)
class Bulk:
    """Write commands for one transaction. Each has to be one whose reply is a single line."""

    commands: list[bytes]
    rows: U8 | None = None  # more commands, encoded
    row_commands: int = 0

    @property
    def count(self) -> int:
        """How many commands there are."""
        return len(self.commands) + self.row_commands


@dataclass(slots=True, frozen=True)
class Outcome:
    """``written``: whether the transaction took effect. ``fence``: the run that may write after it."""

    written: bool
    fence: int | None


class RedisLink:
    """A connection; every method may raise ``redis.exceptions.RedisError`` and then it is closed."""

    def __init__(self, url: str, fence: str, timeout_s: float) -> None:
        self.address = address_of(url)
        self._fence = fence.encode()
        self._arm = command(b"WATCH", self._fence) + command(b"GET", self._fence)
        pool = redis.ConnectionPool.from_url(
            url,
            protocol=2,
            socket_timeout=timeout_s,
            socket_connect_timeout=min(timeout_s, 2.0),
            retry=Retry(NoBackoff(), 0),
        )
        self._connection: Any = pool.make_connection()  # redis-py does not type its connections
        self._sent = 0

    def open(self) -> None:
        """Connect and sign in."""
        self._connection.connect()

    def close(self) -> None:
        """Drop the connection, if there is one."""
        self._connection.disconnect()

    def call(self, *arguments: str | int | bytes) -> Any:  # noqa: ANN401 - whatever Redis replies
        """One command and its reply; not between ``send`` and ``receive``."""
        self._connection.send_command(*arguments, check_health=False)
        return self._connection.read_response()

    def arm(self) -> int | None:
        """Watch the fence for the first transaction; the run that may write."""
        self.call("WATCH", self._fence)
        return self.fence()

    def fence(self) -> int | None:
        """The run that may write now; None if there is none."""
        fence = self.call("GET", self._fence)
        return None if fence is None else int(fence)

    def send(self, bulk: Bulk) -> None:
        """Send a transaction; ``arm`` or another transaction must have come before."""
        tail = _EXEC + self._arm
        head = _MULTI + b"".join(bulk.commands)
        parts = [head + tail] if bulk.rows is None else [head, bulk.rows, tail]
        self._connection.send_packed_command(parts, check_health=False)
        self._sent = bulk.count

    def receive(self) -> Outcome:
        """What became of the transaction that was sent."""
        data = b""
        try:
            while True:
                got = self._connection._sock.recv(RECEIVE_BYTES)
                if not got:
                    raise RedisConnectionError("connection closed by the server")
                data += got
                outcome = parse_outcome(data.split(b"\r\n"), self._sent)
                if outcome is not None:
                    return outcome
        except TimeoutError:
            self.close()
            raise RedisTimeoutError(f"no answer from {self.address} in time") from None
        except OSError as error:
            self.close()
            raise RedisConnectionError(f"connection lost: {error}") from None
        except redis.RedisError:
            self.close()
            raise


def parse_outcome(lines: list[bytes], count: int) -> Outcome | None:
    """Outcome of a transaction of ``count`` commands from its reply, cut at line ends.

    The last entry of ``lines`` is what came after the last line end. None while the reply is not
    complete. Raises ``ResponseError`` with Redis' words if any command was refused.
    """
    executed = count + 1
    if len(lines) <= executed + 1:
        return None
    results = count if lines[executed] == b"*%d" % count else 0
    after = executed + 1 + results  # WATCH's reply, then GET's
    if len(lines) <= after + 2:
        return None
    has_value = lines[after + 1].startswith(b"$") and lines[after + 1] != b"$-1"
    if has_value and len(lines) <= after + 3:
        return None
    refused = _first_error(lines[: after + 2])
    if refused is not None:
        raise ResponseError(refused)
    fence = None if lines[after + 1] == b"$-1" else int(lines[after + 2])
    return Outcome(written=lines[executed] != b"*-1", fence=fence)


def _first_error(lines: list[bytes]) -> str | None:
    return next((line[1:].decode("utf-8", "replace") for line in lines if line.startswith(b"-")), None)
