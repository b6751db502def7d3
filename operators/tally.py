"""Sums per (merchant, finest bucket) inside a batch, and one delta of them for every shard.

Events never cross a process; these deltas do. A merchant with a third of all traffic costs no more than
any other: its thousands of events in a batch leave as one row a bucket.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from operators.batches import I32, I64, U8, Progress
from operators.bytes_kernels import U64, Interner, compiled, stable_hash
from operators.cut_tally import CutTally
from operators.decode import Decoded
from operators.delta import ShardDelta, Suspect
from operators.dimensions import Dimensions, tier_text
from operators.rollup_delta import RollupDelta
from operators.sales_cuts import SalesCuts
from operators.scan import CANCELLED, PAID, REFUNDED
from operators.shards import SHARDS
from schemas.windows import FINEST_BUCKET_MS, GMV, MEASURES, ORDERS, REFUNDS, UNITS


@compiled
def group_orders(
    event_time_ms: I64,
    amount_fen: I64,
    quantity: I64,
    status: U8,
    merchant: I32,
    outcome: U8,
    stamped_ms: I64,
    suspect_before_ms: int,
    scratch: I32,
    merchants: I32,
    buckets: I64,
    values: I64,
    newest_ms: I64,
    arrived_ms: I64,
    group_of: I32,
) -> tuple[int, int]:
    """Add up accepted rows by (merchant, bucket); (groups, suspects).

    ``group_of``: the group of each row, -1 where it is not added.
    ``scratch``: a power of two of zeros, at least twice the rows; left as zeros. Rows older than
    ``suspect_before_ms`` are not added; their outcome becomes 4.
    """
    mask = len(scratch) - 1
    groups = 0
    suspects = 0
    for i in range(len(event_time_ms)):
        group_of[i] = -1
        if outcome[i] != 0:
            continue
        time_ms = event_time_ms[i]
        if time_ms < suspect_before_ms:
            outcome[i] = 4
            suspects += 1
            continue
        bucket = time_ms // FINEST_BUCKET_MS
        who = merchant[i]
        mixed = np.uint64(who * 0x9E3779B1 + bucket * 0x85EBCA77) * np.uint64(0x9E3779B97F4A7C15)
        slot = np.int64(mixed >> np.uint64(33)) & mask
        while True:
            group = scratch[slot] - 1
            if group < 0:
                group = groups
                groups += 1
                scratch[slot] = groups
                merchants[group] = who
                buckets[group] = bucket
                newest_ms[group] = time_ms
                arrived_ms[group] = -1
                for m in range(4):
                    values[group, m] = 0
                break
            if merchants[group] == who and buckets[group] == bucket:
                break
            slot = (slot + 1) & mask
        group_of[i] = group
        if status[i] == PAID:
            values[group, ORDERS] += 1
            values[group, UNITS] += quantity[i]
            values[group, GMV] += amount_fen[i]
        elif status[i] == REFUNDED or status[i] == CANCELLED:
            values[group, REFUNDS] += amount_fen[i]
        newest_ms[group] = max(newest_ms[group], time_ms)
        arrived_ms[group] = max(arrived_ms[group], stamped_ms[i])
    scratch[:] = 0
    return groups, suspects


@compiled
def order_by_shard(shard_of: U8, merchants: I32, groups: int, order: I64, bounds: I64) -> None:
    """Counting sort of groups by shard: those of ``s`` are ``order[bounds[s] : bounds[s + 1]]``."""
    bounds[:] = 0
    for g in range(groups):
        bounds[shard_of[merchants[g]] + 1] += 1
    for s in range(len(bounds) - 1):
        bounds[s + 1] += bounds[s]
    fill = bounds.copy()
    for g in range(groups):
        shard = shard_of[merchants[g]]
        order[fill[shard]] = g
        fill[shard] += 1


@compiled
def shards_of(hashes: U64, start: int, shard_of: U8, shards: int) -> None:
    """The shard of every merchant from row ``start`` on, by its id's hash."""
    for row in range(start, len(shard_of)):
        shard_of[row] = (hashes[row] >> np.uint64(40)) % np.uint64(shards)


def shard_of_merchant(merchant_id: str, shards: int = SHARDS) -> int:
    """The shard of one merchant, as ``shards_of`` decides it."""
    return (stable_hash(merchant_id) >> 40) % shards


class Tally:
    """Adds up a partition's accepted events. Scratch arrays are kept between batches.

    ``merchants``: the worker's interner, whose rows the columns name; ``dimensions``: its other names.
    """

    def __init__(
        self, merchants: Interner, dimensions: Dimensions | None = None, shards: int = SHARDS
    ) -> None:
        self._merchants = merchants
        self._shards = shards
        self._dimensions = dimensions or Dimensions()
        self._cuts = CutTally(self._dimensions)
        self._shard_of = np.zeros(0, np.uint8)
        self._resize(1024)

    def _resize(self, rows: int) -> None:
        self._scratch = np.zeros(1 << (2 * rows - 1).bit_length(), np.int32)
        self._group_merchant = np.empty(rows, np.int32)
        self._group_bucket = np.empty(rows, np.int64)
        self._group_values = np.empty((rows, len(MEASURES)), np.int64)
        self._group_newest = np.empty(rows, np.int64)
        self._group_arrived = np.empty(rows, np.int64)
        self._order = np.empty(rows, np.int64)
        self._group_of = np.empty(rows, np.int32)

    def deltas(
        self, decoded: Decoded, suspect_before_ms: int, progress: Progress
    ) -> tuple[list[ShardDelta], RollupDelta]:
        """One delta a shard, in the order of shards, also empty ones, for the progress they carry; and
        the roll-ups'.
        """
        columns = decoded.columns
        rows = len(columns.outcome)
        if rows > len(self._group_merchant):
            self._resize(2 * rows)
        stamped = decoded.raw.timestamps_ms[decoded.lines[:, 0]]
        group_of = self._group_of[:rows]
        groups, suspects = group_orders(
            columns.event_time_ms, columns.amount_fen, columns.quantity, columns.status,
            columns.merchant, columns.outcome, stamped, suspect_before_ms, self._scratch,
            self._group_merchant, self._group_bucket, self._group_values,
            self._group_newest, self._group_arrived, group_of,
        )  # fmt: skip
        deltas = self._split(groups, progress)
        self._add_sales(self._cuts.sales(columns, group_of), groups, deltas)
        if suspects:
            self._add_suspects(decoded, deltas)
        return deltas, self._cuts.orders(columns, group_of, self._group_bucket, progress)

    def _add_sales(self, sales: SalesCuts, groups: int, deltas: list[ShardDelta]) -> None:
        """Give every shard its merchants' sales by channel and category."""
        if not len(sales):
            return
        place: I32 = np.empty(groups, np.int32)  # of a group, in its shard's rows
        for start, stop in pairwise(self._bounds.tolist()):
            place[self._order[start:stop]] = np.arange(stop - start)
        bounds = np.zeros(self._shards + 1, np.int64)
        order = np.empty(len(sales), np.int64)
        order_by_shard(self._shard_of, self._group_merchant[sales.row], len(sales), order, bounds)
        for delta, (start, stop) in zip(deltas, pairwise(bounds.tolist()), strict=True):
            mine = order[start:stop]
            delta.sales = sales.pick(mine, place[sales.row[mine]])

    def _split(self, groups: int, progress: Progress) -> list[ShardDelta]:
        known = len(self._shard_of)
        if known < len(self._merchants):
            shard_of = np.zeros(len(self._merchants), np.uint8)
            shard_of[:known] = self._shard_of
            shards_of(self._merchants.table.hashes, known, shard_of, self._shards)
            self._shard_of = shard_of
        bounds = self._bounds = np.zeros(self._shards + 1, np.int64)
        order_by_shard(self._shard_of, self._group_merchant, groups, self._order, bounds)
        order = self._order[:groups]
        merchants = self._group_merchant[order]
        id_offsets, id_bytes = self._merchants.packed(merchants)
        hashes = self._merchants.table.hashes[merchants]
        buckets = self._group_bucket[order]
        values = self._group_values[order]
        newest = self._group_newest[order]
        arrived = self._group_arrived[order]
        edges = bounds.tolist()
        return [
            ShardDelta(
                shard=shard,
                progress=progress,
                id_offsets=id_offsets[start : stop + 1],
                id_bytes=id_bytes,
                id_hashes=hashes[start:stop],
                buckets=buckets[start:stop],
                values=values[start:stop],
                newest_ms=newest[start:stop],
                arrived_ms=arrived[start:stop],
            )
            for shard, (start, stop) in enumerate(pairwise(edges))
        ]

    def _add_suspects(self, decoded: Decoded, deltas: list[ShardDelta]) -> None:
        columns = decoded.columns
        for row in np.flatnonzero(columns.outcome == 4).tolist():
            values = [0] * len(MEASURES)
            status = int(columns.status[row])
            amount_fen = int(columns.amount_fen[row])
            if status == PAID:
                values[ORDERS], values[UNITS], values[GMV] = 1, int(columns.quantity[row]), amount_fen
            elif status in (REFUNDED, CANCELLED):
                values[REFUNDS] = amount_fen
            merchant = int(columns.merchant[row])
            deltas[int(self._shard_of[merchant])].suspects.append(
                Suspect(
                    merchant_id=self._merchants.text(merchant),
                    event_time_ms=int(columns.event_time_ms[row]),
                    values=tuple(values),
                    channel=self._dimensions.channels.texts[columns.channel[row]],
                    category=self._dimensions.categories.texts[columns.category[row]],
                    city_tier=tier_text(int(columns.tier[row])),
                    letter=decoded.dead_letter(row, "late", ""),
                )
            )
