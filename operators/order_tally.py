"""What an order adds to the sums of its merchant and bucket."""

from __future__ import annotations

from operators.batches import I64
from operators.bytes_kernels import compiled
from operators.decode import Decoded
from operators.delta import Suspect
from operators.order_scan import CANCELLED, PAID, REFUNDED, OrderColumns
from operators.tally import SUSPECT, Groups, Tally, group_of
from schemas.windows import FINEST_BUCKET_MS, GMV, MEASURES, ORDERS, REFUNDS, UNITS


@compiled
def group_orders(columns: OrderColumns, stamped_ms: I64, suspect_before_ms: int, groups: Groups) -> int:
    """Add up accepted rows by (merchant, bucket); the number of suspects, whose outcome is set."""
    suspects = 0
    for i in range(len(columns.event_time_ms)):
        if columns.outcome[i] != 0:
            continue
        time_ms = columns.event_time_ms[i]
        if time_ms < suspect_before_ms:
            columns.outcome[i] = SUSPECT
            suspects += 1
            continue
        bucket = time_ms // FINEST_BUCKET_MS
        group = group_of(groups, columns.merchant[i], bucket, time_ms, stamped_ms[i])
        status = columns.status[i]
        if status == PAID:
            groups.values[group, ORDERS] += 1
            groups.values[group, UNITS] += columns.quantity[i]
            groups.values[group, GMV] += columns.amount_fen[i]
        elif status in (REFUNDED, CANCELLED):
            groups.values[group, REFUNDS] += columns.amount_fen[i]
    groups.scratch[:] = 0
    return suspects


class OrderTally(Tally[OrderColumns]):
    """Adds up orders."""

    def _add_up(self, decoded: Decoded[OrderColumns], suspect_before_ms: int) -> int:
        stamped_ms = decoded.raw.timestamps_ms[decoded.lines[:, 0]]
        return group_orders(decoded.columns, stamped_ms, suspect_before_ms, self._groups)

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
        )
