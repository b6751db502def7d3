"""The number of each run: greater than every one before, and the same on all machines of a cluster."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import redis

from operators.redis_errors import FencedError
from operators.redis_session import next_run
from warroom.errors import WarroomError
from warroom.hosts import Membership
from warroom.preflight import Interrupted, check_redis, redis_client
from warroom.settings import RedisSettings

log = logging.getLogger(__name__)

ANSWER_LIVES_SECONDS: Final = 120
_POLL_SECONDS: Final = 0.1


def joining_key(prefix: str) -> str:
    """Hash: index of a machine's supervisor to the token under which it waits for the run's number."""
    return f"{prefix}cluster:joining"


def answer_key(prefix: str, token: str) -> str:
    """String: the number that was given to the waiting supervisor; short-lived."""
    return f"{prefix}cluster:run:{token}"


@dataclass(slots=True)
class RunNumbers:
    """Takes the number of each run from Redis, waiting for it as long as it takes.

    ``memory``: a file that keeps the last number, should Redis be emptied. Raises ``Interrupted`` when
    told to stop, ``PreflightError`` where Redis refuses, ``WarroomError`` where another run has taken over
    since the last number: who stood still meanwhile must not fence off its successor.
    """

    settings: RedisSettings
    stopping: Callable[[], bool]
    memory: Path | None = None
    membership: Membership | None = None
    """Of a cluster on several machines: the one with index 0 takes the number for all."""
    _taken: int = field(default=0, init=False)
    """The last number that was taken here; 0 before the first."""

    def take(self) -> int:
        """The number of the run that begins now; whoever ran before is fenced off."""
        while True:
            check_redis(self.settings, self.stopping)
            try:
                number = self._take()
            except FencedError as error:
                raise WarroomError(str(error)) from None
            except (redis.ConnectionError, redis.TimeoutError) as error:
                log.warning("Redis has gone while a run number was taken: %s", error)
                continue
            self._taken = number
            if self.memory is not None:
                self.memory.write_text(f"{number}\n")
            return number

    def _take(self) -> int:
        if self.membership is None:
            return self._next()
        client = redis_client(self.settings.url)
        try:
            if 0 in self.membership.local:
                return self._lead(client, others=len(self.membership.addresses) - 1)
            return self._follow(client, self.membership.local[0])
        finally:
            client.close()

    def _next(self) -> int:
        return next_run(self.settings.url, self.settings.prefix, at_least=self._last() + 1, last=self._taken)

    def _last(self) -> int:
        try:
            return int(self.memory.read_text()) if self.memory is not None else 0
        except (OSError, ValueError):
            return 0

    def _lead(self, client: redis.Redis, others: int) -> int:
        """Take a number once all others wait for it, and tell each."""
        joining = joining_key(self.settings.prefix)
        self._wait(lambda: client.hlen(joining) >= others, f"waiting for {others} other machines")
        waiting = client.hgetall(joining)
        number = self._next()
        for index, token in waiting.items():
            client.set(answer_key(self.settings.prefix, str(token)), number, ex=ANSWER_LIVES_SECONDS)
            client.hdel(joining, str(index))
        return number

    def _follow(self, client: redis.Redis, index: int) -> int:
        """Say that this machine is ready and wait for the number."""
        token = uuid.uuid4().hex
        answer = answer_key(self.settings.prefix, token)
        client.hset(joining_key(self.settings.prefix), str(index), token)
        self._wait(lambda: bool(client.exists(answer)), "waiting for the machine with index 0")
        return int(client.get(answer) or 0)

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        told_at = time.monotonic()
        while not condition():
            if self.stopping():
                raise Interrupted
            if time.monotonic() - told_at > 2:
                log.warning("%s", what)
                told_at = time.monotonic() + 8
            time.sleep(_POLL_SECONDS)
