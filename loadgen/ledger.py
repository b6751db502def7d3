"""What the events in recorded messages are: those that count, each once, as the oracle is told them.

Nothing of a recording is taken for late: what is late depends on how a war room reads it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np

from loadgen.channels import ACTIONS, SOURCES, UNNAMED_SOURCE
from loadgen.draws import I64
from loadgen.facts import KINDS, SAYS_FIRST, SAYS_NOT_FIRST, SAYS_NOTHING, ClickFacts, Facts, Where
from loadgen.names import UNKNOWN, Names
from loadgen.replay import CODES, DEDUP_HORIZON_MS
from schemas.events import FUTURE_TOLERANCE_MS, Click, Order, overlong

GOOD, DUPLICATE, _LATE, FUTURE, MALFORMED, INVALID = range(len(KINDS))
_SAYS: Final = {None: SAYS_NOTHING, True: SAYS_FIRST, False: SAYS_NOT_FIRST}
_SOURCES: Final = {name: code for code, name in enumerate(SOURCES) if 0 < code < UNNAMED_SOURCE}
_MOST_TIERS: Final = 255
Row = tuple[int, ...]


class Ledger:
    """Reads values of a topic in the order of a partition; knows which events were there before."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._seen: dict[tuple[str, ...], int] = {}
        self._orders = msgspec.json.Decoder(Order)
        self._clicks = msgspec.json.Decoder(Click)

    def orders(self, values: list[tuple[bytes, int]]) -> Facts:
        """The facts of order values, each with its Kafka timestamp in ms."""
        rows, kinds = self._take(values, self._orders)
        column = _columns(rows, 10)
        return Facts(
            row=column[0].astype(np.int32),
            event_ms=column[1],
            code=column[6].astype(np.uint8),
            amount_fen=column[7],
            quantity=column[8],
            first_order=column[9].astype(np.int8),
            where=_where(column),
            kinds=kinds,
        )

    def clicks(self, values: list[tuple[bytes, int]]) -> ClickFacts:
        """The facts of click values, likewise."""
        rows, kinds = self._take(values, self._clicks)
        column = _columns(rows, 8)
        return ClickFacts(
            row=column[0].astype(np.int32),
            event_ms=column[1],
            action=column[6].astype(np.uint8),
            source=column[7].astype(np.uint8),
            where=_where(column),
            kinds=kinds,
        )

    def _take(
        self, values: list[tuple[bytes, int]], decoder: msgspec.json.Decoder[Any]
    ) -> tuple[list[Row], I64]:
        rows: list[Row] = []
        kinds = np.zeros(len(KINDS), np.int64)
        for value, timestamp_ms in values:
            lines = [line for line in value.split(b"\n") if line.strip()]
            if not lines:
                kinds[MALFORMED] += 1
            for line in lines:
                try:
                    event: Order | Click = decoder.decode(line)
                except msgspec.ValidationError:
                    kinds[INVALID] += 1
                except msgspec.DecodeError:
                    kinds[MALFORMED] += 1
                else:
                    kind = self._kind(event, timestamp_ms)
                    kinds[kind] += 1
                    if kind == GOOD:
                        rows.append(self._row(event))
        return rows, kinds

    def _kind(self, event: Order | Click, timestamp_ms: int) -> int:
        if isinstance(event, Order):
            ids: tuple[str, ...] = (event.order_id, event.merchant_id, event.member_id)
            name: tuple[str, ...] = (event.order_id, event.status)
        else:
            ids = (event.event_id, event.merchant_id, event.visitor_id)
            name = (event.event_id,)
        if overlong(*ids):
            return INVALID
        if event.event_time_ms > timestamp_ms + FUTURE_TOLERANCE_MS:
            return FUTURE
        before = self._seen.get(name)
        if before is not None and event.event_time_ms - before <= DEDUP_HORIZON_MS:
            return DUPLICATE
        self._seen[name] = event.event_time_ms
        return GOOD

    def _row(self, event: Order | Click) -> Row:
        names = self._names
        person = event.member_id if isinstance(event, Order) else event.visitor_id
        tier = event.city_tier or 0
        common = (
            names.merchants.number(event.merchant_id), event.event_time_ms, names.people.number(person),
            names.channels.number(event.channel or UNKNOWN),
            names.categories.number(event.category or UNKNOWN),
            tier if 0 < tier <= _MOST_TIERS else 0,
        )  # fmt: skip
        if isinstance(event, Order):
            said = _SAYS[event.first_order]
            return (*common, CODES[event.status], event.amount_fen, event.quantity, said)
        source = 0 if event.source is None else _SOURCES.get(event.source, UNNAMED_SOURCE)
        return (*common, ACTIONS.index(event.action), source)


def _columns(rows: list[Row], width: int) -> I64:
    """Rows as columns: (width, n)."""
    return np.array(rows, np.int64).reshape(-1, width).T


def _where(column: I64) -> Where:
    return Where(
        person=column[2],
        channel=column[3].astype(np.int32),
        category=column[4].astype(np.int32),
        tier=column[5].astype(np.uint8),
    )
