"""What an order adds to the sums of its merchant and bucket."""

from __future__ import annotations

from typing import Any

import numpy as np

from operators.added import OF_ORDERS
from operators.batches import I64, Progress
from operators.bytes_kernels import AHEAD, Interner, compiled
from operators.cuts import NO_GROUP
from operators.decode import Decoded
from operators.delta import Suspect
from operators.dimensions import Dimensions
from operators.order_scan import CANCELLED, ITEM, ITEM_STOCK, PAID, REFUNDED, UNSAID, OrderColumns
from operators.order_scan import NOT_FIRST as SAID_NOT_FIRST
from operators.people_cells import BUYER as BUYER_KIND
from operators.people_tables import BUYER, NOT_FIRST, SAYS, person_of
from operators.rollup_delta import RollupDelta
from operators.sales_cuts import SalesCuts
from operators.shards import SHARDS
from operators.stock_notes import NotePacker
from operators.tally import SUSPECT, Groups, SeenPeople, Tally, ask_for_group, group_of, see
from schemas.windows import FINEST_BUCKET_MS, GMV, MEASURES, ORDERS, REFUNDS, UNITS


@compiled
def _flags(first_order: int) -> int:
    if first_order == UNSAID:
        return BUYER
    return BUYER | SAYS | NOT_FIRST if first_order == SAID_NOT_FIRST else BUYER | SAYS


@compiled
def group_orders(
    columns: OrderColumns, stamped_ms: I64, suspect_before_ms: int, groups: Groups, seen: SeenPeople
) -> int:
    """Add up accepted rows by (merchant, bucket); the number of suspects, whose outcome is set."""
    suspects = 0
    for i in range(len(columns.event_time_ms)):
        groups.of[i] = NO_GROUP
        soon = min(i + AHEAD, len(columns.event_time_ms) - 1)
        ask_for_group(groups, columns.merchant[soon], columns.event_time_ms[soon] // FINEST_BUCKET_MS)
        if columns.outcome[i] != 0:
            continue
        time_ms = columns.event_time_ms[i]
        if time_ms < suspect_before_ms:
            columns.outcome[i] = SUSPECT
            suspects += 1
            continue
        bucket = time_ms // FINEST_BUCKET_MS
        group = group_of(groups, columns.merchant[i], bucket, time_ms, stamped_ms[i])
        groups.of[i] = group
        status = columns.status[i]
        if status == PAID:
            groups.values[group, ORDERS] += 1
            groups.values[group, UNITS] += columns.quantity[i]
            groups.values[group, GMV] += columns.amount_fen[i]
            see(seen, group, person_of(columns.person[i], _flags(columns.first_order[i])))
        elif status in (REFUNDED, CANCELLED):
            groups.values[group, REFUNDS] += columns.amount_fen[i]
    groups.scratch[:] = 0
    return suspects


class OrderTally(Tally[OrderColumns]):
    """Adds up orders. ``all_items``: stock is told elsewhere, so every order that names an item matters."""

    people_kind = BUYER_KIND
    kind = OF_ORDERS

    def __init__(
        self,
        merchants: Interner,
        dimensions: Dimensions,
        shards: int = SHARDS,
        *,
        all_items: bool = False,
    ) -> None:
        super().__init__(merchants, dimensions, shards)
        self._least_stock = ITEM if all_items else ITEM_STOCK
        self._notes = NotePacker(shards)

    def stock(self, decoded: Decoded[OrderColumns]) -> list[tuple[str, Any]]:
        """What accepted orders say of items' stock, by shard key."""
        naming = decoded.columns.stock & self._least_stock == self._least_stock
        if not naming.any():
            return []
        self._know_shards()
        return self._notes.pack(decoded, np.flatnonzero(naming), self._merchants, self._shard_of)

    def _add_up(self, decoded: Decoded[OrderColumns], suspect_before_ms: int) -> int:
        stamped_ms = decoded.raw.timestamps_ms[decoded.lines[:, 0]]
        return group_orders(decoded.columns, stamped_ms, suspect_before_ms, self._groups, self._seen)

    def _rollups(self, decoded: Decoded[OrderColumns], progress: Progress) -> RollupDelta:
        return self._cuts.orders(decoded.columns, self._groups.of, self._groups.buckets, progress)

    def _sales(self, decoded: Decoded[OrderColumns]) -> SalesCuts:
        return self._cuts.sales(decoded.columns, self._groups.of)

    def _suspect(self, decoded: Decoded[OrderColumns], row: int) -> Suspect:
        columns = decoded.columns
        values = [0] * len(MEASURES)
        status = int(columns.status[row])
        amount_fen = int(columns.amount_fen[row])
        if status == PAID:
            values[ORDERS], values[UNITS], values[GMV] = 1, int(columns.quantity[row]), amount_fen
        elif status in (REFUNDED, CANCELLED):
            values[REFUNDS] = amount_fen
        return Suspect(
            merchant_id=self._merchants.text(int(columns.merchant[row])),
            event_time_ms=int(columns.event_time_ms[row]),
            values=tuple(values),
            letter=decoded.dead_letter(row, "late", ""),
            channel=self._dimensions.channels.texts[columns.channel[row]],
            category=self._dimensions.categories.texts[columns.category[row]],
            tier=int(columns.tier[row]),
            person=int(person_of(columns.person[row], _flags(columns.first_order[row])))
            if status == PAID
            else 0,
        )
