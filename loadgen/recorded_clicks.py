"""Recorded files to clicks in columns, beside the orders of the same rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from loadgen.mapping import ClickMapping, Mapping
from loadgen.recorded import (
    ID_RULE,
    LINE,
    TIME_RULE,
    Complaint,
    Rules,
    orders_of,
    read_rows,
    text_of,
    time_of,
    usable,
    what_is_wrong,
)

CLICK_FIELDS: Final = ("event_id", "merchant_id", "visitor_id", "action", "event_ms")
_RULES: Final[Rules] = (
    *((name, ID_RULE) for name in ("event_id", "merchant_id", "visitor_id")),
    ("action", "not one of view, cart, favorite, join"),
    TIME_RULE,
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What files hold. ``orders`` as ``recorded.read_orders`` has them; ``clicks``: ``CLICK_FIELDS``,
    ``LINE``, and ``source``, ``channel``, ``category`` where mapped; None where the mapping makes none.
    """

    orders: pl.DataFrame
    clicks: pl.DataFrame | None
    complaints: list[Complaint]


def read_events(paths: Iterable[Path], mapping: Mapping, use_last_row: bool = False) -> Recorded:
    """Orders and clicks of several files one after the other; ids made of row numbers stay unique.

    Raises ``LoadgenError`` as ``recorded.read_orders``.
    """
    orders, clicks = [], []
    complaints: list[Complaint] = []
    for number, path in enumerate(paths):
        raw, cut = read_rows(path, mapping, use_last_row)
        ordered, wrong = orders_of(raw, mapping, path, number)
        orders.append(ordered)
        complaints += cut + wrong
        if mapping.click is not None:
            clicked, wrong = _clicks_of(raw, mapping.click, path, number)
            clicks.append(clicked)
            complaints += wrong
    return Recorded(pl.concat(orders), pl.concat(clicks) if clicks else None, complaints)


def _clicks_of(
    raw: pl.DataFrame, click: ClickMapping, path: Path, file_number: int
) -> tuple[pl.DataFrame, list[Complaint]]:
    if click.only is not None:
        raw = raw.filter(pl.col(click.only.column).is_in(click.only.values))
    texts = {
        "event_id": click.event_id, "merchant_id": click.merchant_id, "visitor_id": click.visitor_id,
        "action": click.action, "source": click.source, "channel": click.channel, "category": click.category,
    }  # fmt: skip
    fields = [text_of(text, file_number).alias(name) for name, text in texts.items() if text is not None]
    clicks = raw.select(pl.col(LINE), *fields, time_of(click.time).alias("event_ms"), what_is_wrong(click))
    return usable(clicks, _RULES, path)
