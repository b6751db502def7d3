"""Alerts as Redis commands: each once in the stream, and in the hash of active ones while it holds.

What is offered again, after a restart or when Redis has lost it, is told apart by its id: the id and the
entry of the stream are written by one script inside the transaction that watches the fence.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import msgspec

from operators.batches import AlertNews
from operators.redis_command import command
from schemas import redis_layout
from schemas.alerts import Alert

STREAM_ENTRIES: Final = 10_000
"""About so many alerts stay in the stream."""
IDS_REMEMBERED: Final = 100_000
ALERTS_PER_WRITE: Final = 500

TELL: Final = b"""
-- KEYS ids, stream; ARGV id, bucket end, alert, entries kept, ids kept
if redis.call('ZADD', KEYS[1], 'NX', ARGV[2], ARGV[1]) == 0 then return 0 end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'alert', ARGV[3])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[5])
return 1
"""
"""Tells an alert unless its id has been told."""


@dataclass(slots=True)
class AlertsOfShard:
    """What one shard waits to have written, by alert id."""

    told: dict[str, Alert] = field(default_factory=dict)
    active: dict[str, Alert | None] = field(default_factory=dict)
    """None: no longer."""


class PendingAlerts:
    """Alerts that are not written yet, by shard, in the order of their coming."""

    def __init__(self) -> None:
        self._shards: dict[int, AlertsOfShard] = {}

    def add(self, shard: int, news: AlertNews) -> None:
        """Take what a shard tells; later news of an alert replace earlier ones."""
        pending = self._shards.setdefault(shard, AlertsOfShard())
        for alert in news.told:
            pending.told[alert.alert_id] = alert
        for alert_id in news.ended:
            pending.active[alert_id] = None
        for alert in news.active:
            pending.active[alert.alert_id] = alert

    def take(self, held: Collection[int] = ()) -> dict[int, AlertsOfShard]:
        """Everything of the shards that are not in ``held``."""
        free = [shard for shard in self._shards if shard not in held]
        return {shard: self._shards.pop(shard) for shard in free}

    def put_back(self, taken: dict[int, AlertsOfShard]) -> None:
        """What was not written, behind which newer news stay."""
        for shard, old in taken.items():
            new = self._shards.get(shard, AlertsOfShard())
            self._shards[shard] = AlertsOfShard(old.told | new.told, old.active | new.active)


def alert_commands(taken: dict[int, AlertsOfShard], prefix: str) -> list[bytes]:
    """All of it for transactions: those that tell come in the order of their buckets."""
    stream = redis_layout.alerts(prefix).encode()
    ids = redis_layout.alert_ids(prefix).encode()
    holding = redis_layout.active_alerts(prefix).encode()
    told = sorted(
        (a for pending in taken.values() for a in pending.told.values()),
        key=lambda a: (a.bucket_end_ms, a.alert_id),
    )
    limits = (b"%d" % STREAM_ENTRIES, b"%d" % IDS_REMEMBERED)
    commands = [
        command(
            *(b"EVAL", TELL, b"2", ids, stream),
            *(_utf8(a.alert_id), b"%d" % a.bucket_end_ms, msgspec.json.encode(a), *limits),
        )
        for a in told
    ]
    for pending in taken.values():
        for alert_id, alert in pending.active.items():
            if alert is None:
                commands.append(command(b"HDEL", holding, _utf8(alert_id)))
            else:
                commands.append(command(b"HSET", holding, _utf8(alert_id), msgspec.json.encode(alert)))
    return commands


def forget_active(prefix: str) -> bytes:
    """Remove what runs on other topics have left behind."""
    return command(b"DEL", redis_layout.active_alerts(prefix).encode())


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
