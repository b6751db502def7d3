"""Damaged baselines through their lane and into the shards that keep them; none is lost, none does harm."""

from __future__ import annotations

import json
import random
from typing import Any, Final

from operators.baseline_lane import BaselineLane
from operators.batches import RawBatch
from operators.decode import raw_batch
from operators.delta import ShardBaselines
from operators.shard import Shard
from operators.shards import SHARDS
from schemas.baselines import MOST_DAYS
from tests.fuzz.mutations import mutated
from tests.operators.night import DAY_START_MS, rules

REMOVED_SHARE: Final = 0.1
"""Of the records, those without a value: they remove the baseline that their key names."""
KEYS: Final[list[bytes | None]] = [None, b"", b"m1", "外婆家".encode(), b"\xff\xfe", b"m" * 128, b"m" * 129]
OPTIONAL: Final[list[dict[str, Any]]] = [
    {},
    {"timezone": "Europe/Berlin", "category": "餐飲", "estimated": True},
    {"timezone": "No/Where"},
    {"spread": {"gmv": 0.5}, "known_members": ["u1", "外", "u" * 128]},
    {"known_members": []},
    {"unknown": [1, {"deep": "er"}]},
]


def baselines(seed: int, count: int = 2_000) -> list[bytes]:
    """Good baselines, and some that only just are not."""
    rng = random.Random(seed)
    made = []
    for n in range(count):
        shares = [rng.random() for _ in range(24)]
        whole = sum(shares)
        values: dict[str, Any] = {
            "merchant_id": rng.choice(["m1", "外婆家", "m" * 128, "m" * 129, f"m{n}"]),
            "name": rng.choice(["外婆家", "", '"q"', "n" * 300]),
            "days": rng.choice([1, 30, 90, 365, 730, MOST_DAYS, MOST_DAYS + 1, 10**25]),
            "daily": {"gmv": rng.choice([0, 0.5, 10**13, 1e300]), "orders": rng.randrange(1_000), "x": 1},
            "hourly_share": [share / whole for share in shares],
        }
        made.append(json.dumps(values | rng.choice(OPTIONAL), ensure_ascii=False).encode())
    return made


class Keeper:
    """The lane of a worker and all shards: what the one hands on, the others take."""

    def __init__(self) -> None:
        self.lane = BaselineLane("baselines", 0)
        self.shards = [Shard(number, rules()) for number in range(SHARDS)]
        self.sent = self.taken = self.dead = 0

    def take(self, raw: RawBatch) -> None:
        """Take a batch as a worker does, the journal's bytes included."""
        output = self.lane.take(raw)
        places = {letter.offset for letter in output.dead_letters}
        assert len(places) == len(output.dead_letters), "a baseline was refused twice"
        for _, item in output.to_shards:
            assert isinstance(item, ShardBaselines)
            kept = ShardBaselines.from_bytes(item.to_bytes())
            self.shards[kept.shard].take_baselines(kept)
            self.taken += len(kept.changes)
        assert output.accepted == sum(len(item.changes) for _, item in output.to_shards)
        self.sent += len(raw)
        self.dead += len(output.dead_letters)

    @property
    def missing(self) -> int:
        """Baselines that are neither with a shard nor dead letters; below 0: some are both."""
        return self.sent - self.taken - self.dead


def kept(count: int, seed: int) -> Keeper:
    """Send ``count`` damaged baselines and removals to a keeper; what became of them."""
    keeper = Keeper()
    rng = random.Random(seed)
    offset = 0
    for values in mutated(baselines(seed), count, seed):
        records = [None if rng.random() < REMOVED_SHARE else value for value in values]
        raw = raw_batch("baselines", 0, offset, records, DAY_START_MS)
        raw.keys = [rng.choice(KEYS) for _ in records]
        offset += len(records)
        keeper.take(raw)
    return keeper
