"""A million merchants in state: how long does an epoch's end stall, how much disk, how fast a resume?

One process holds all shards (with two workers each holds half). Every epoch takes two seconds' worth of
orders at the given rate and ends with the snapshot of every shard and of the remembered orders; the stall is
what these snapshots take together. Resume is loading every shard again from what the last epoch left.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.orders import START_MS, chunks
from operators.batches import READ_AHEAD_BYTES, RawBatch
from operators.board_rules import BoardRules
from operators.bytes_kernels import Interner
from operators.decode import OrderDecoder
from operators.dedup import Dedup, DedupBudget
from operators.dedup_store import DedupStore
from operators.delta import ShardBaselines
from operators.dimensions import Dimensions
from operators.event_lane import EventLane
from operators.order_scan import OrderColumns
from operators.order_tally import OrderTally
from operators.process_clock import ProcessClock
from operators.shard import Shard, ShardRules
from operators.shard_store import ShardStore
from operators.shards import SHARDS
from operators.state_files import RebaseTurns
from operators.tally import shard_of_merchant
from schemas.baselines import Baseline
from schemas.windows import DEFAULT_TIMEZONE, LATENESS_MS

RULES = ShardRules(
    ("orders/0",), LATENESS_MS, DEFAULT_TIMEZONE, START_MS, BoardRules(50), (), 10, 10, 1 << 20
)


def batches(epochs: int, rate: int, merchants: int) -> Iterator[RawBatch]:
    """Raw batches in the order of their event times."""
    offset = 0
    for messages in chunks(2 * rate * epochs, merchants, rate):
        count = len(messages)
        yield RawBatch(
            topic="orders",
            partition=0,
            data=np.concatenate([messages.data, np.zeros(READ_AHEAD_BYTES, np.uint8)]),
            starts=messages.starts,
            lengths=messages.lengths,
            offsets=np.arange(offset, offset + count),
            timestamps_ms=messages.timestamps_ms,
        )
        offset += count


def know_all(
    shards: list[Shard], stores: list[ShardStore], lane: EventLane[OrderColumns], merchants: int
) -> None:
    """Baselines for every merchant, as the topic would bring them."""
    progress = lane.take(next(batches(1, 10, merchants))).to_shards[0][1].progress
    changes: list[list[tuple[str, Baseline | None]]] = [[] for _ in shards]
    for number in range(merchants):
        merchant_id = f"m{number:07d}"
        baseline = Baseline(merchant_id, merchant_id, 28, {"gmv": 1e6, "orders": 100.0}, [1 / 24] * 24)
        changes[shard_of_merchant(merchant_id)].append((merchant_id, baseline))
    for shard, store, change in zip(shards, stores, changes, strict=True):
        baselines = ShardBaselines(shard.number, progress, change)
        shard.take_baselines(baselines)
        store.note_baselines(baselines)


def resident_mib() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def main() -> None:
    """Fill, measure, resume, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--merchants", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=400_000, help="orders a second")
    parser.add_argument("--epochs", type=int, default=30)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(measure(Path(name), given.merchants, given.rate, given.epochs), indent=1))


def measure(directory: Path, merchants: int, rate: int, epochs: int) -> dict[str, float]:
    """All figures: seconds, bytes, MiB."""
    turns = RebaseTurns()
    shards = [Shard(number, RULES) for number in range(SHARDS)]
    stores = [ShardStore(directory / "shards", n, "first", turns) for n in range(SHARDS)]
    interner, dimensions = Interner(), Dimensions()
    lane = EventLane(
        "orders", 0, OrderDecoder(interner, dimensions), Dedup(600_000, DedupBudget(1 << 30)),
        OrderTally(interner, dimensions),
        DedupStore(directory / "dedup", "first"), ProcessClock(), LATENESS_MS, START_MS,
    )  # fmt: skip
    know_all(shards, stores, lane, merchants)
    stalls, taken, epoch_events = [], 0, 0
    for raw in batches(epochs, rate, merchants):
        for _, delta in lane.take(raw).to_shards:
            shard = shards[delta.shard]
            before = shard.closing.next_minute
            shard.take(delta)
            stores[delta.shard].note(delta, shard.closing.next_minute != before)
        taken += len(raw)
        epoch_events += len(raw)
        if epoch_events >= 2 * rate:
            epoch_events = 0
            started = time.perf_counter()
            refs = [store.save(shard, -1) for shard, store in zip(shards, stores, strict=True)]
            lane.snapshot()
            stalls.append(time.perf_counter() - started)
    held = sum(s.nbytes for s in shards)
    disk = sum(p.stat().st_size for p in (directory / "shards").iterdir())
    peak = resident_mib()
    started = time.perf_counter()
    again = [
        ShardStore(directory / "shards", n, "second", turns).load(ref, RULES) for n, ref in enumerate(refs)
    ]
    resumed = time.perf_counter() - started
    assert sum(len(s.merchants) for s in again) == sum(len(s.merchants) for s in shards)
    return {
        "merchants": merchants,
        "orders": taken,
        "stall_median_s": round(statistics.median(stalls), 3),
        "stall_max_s": round(max(stalls), 3),
        "state_mib": round(held / 2**20),
        "disk_mib": round(disk / 2**20),
        "disk_over_state": round(disk / held, 2),
        "resident_mib": round(peak),
        "resume_all_shards_s": round(resumed, 2),
    }


if __name__ == "__main__":
    main()
