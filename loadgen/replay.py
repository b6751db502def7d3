"""Replay: orders in columns to the same blocks of messages and facts that a scenario is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from loadgen.facts import KINDS, SAYS_NOTHING, Facts, Where
from loadgen.json_bytes import Messages
from loadgen.keying import Key, partitions_of_ids
from loadgen.local_time import midnight_ms
from loadgen.names import UNKNOWN, Names, Register
from loadgen.options import instant_ms
from loadgen.oracle import Asked
from loadgen.recorded import STATUSES
from loadgen.stream import Block
from schemas.baselines import Baseline
from schemas.windows import DEFAULT_TIMEZONE

ROWS_A_BLOCK: Final = 100_000
CODES: Final = {status: code for code, status in enumerate(STATUSES)}
DEDUP_HORIZON_MS: Final = 600_000
"""The same order and status again within this is a duplicate, as the pipeline's default says."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Recorded orders in the order of sending, ready to be replayed."""

    orders: pl.DataFrame
    names: Names
    start_ms: int
    partitions: int


def make_recording(orders: pl.DataFrame, partitions: int, key: Key = "order") -> Recording:
    """Sort by time, spread over partitions by order (so that a duplicate meets its original) or merchant."""
    ordered = orders.sort("event_ms", maintain_order=True)
    ids = ordered["merchant_id"].unique().sort().to_list()
    rows = pl.DataFrame(
        {
            "merchant_id": ids,
            "row": np.arange(len(ids), dtype=np.int32),
            "home": partitions_of_ids(ids, partitions),
        }
    )
    ordered = ordered.join(rows, on="merchant_id", how="left", maintain_order="left")
    names = Names(merchants=Register.of(ids))
    numbered = {}
    for column, known in (
        ("member_id", names.people),
        ("channel", names.channels),
        ("category", names.categories),
    ):
        values = ordered[column].to_list() if column in ordered.columns else [None] * len(ordered)
        numbered[f"{column}_number"] = [known.number(value or UNKNOWN) for value in values]
    ordered = ordered.with_columns(**{k: pl.Series(v, dtype=pl.Int64) for k, v in numbered.items()})
    ordered = ordered.with_columns(
        partition=pl.col("home") if key == "merchant" else _dealt(partitions),
        copy=_copies(),
        json=_json(ordered),
    )
    return Recording(ordered, names, int(ordered["event_ms"][0]) if len(ordered) else 0, partitions)


def question_about(
    name: str, sale_opens: str | None, baselines: list[Baseline]
) -> Callable[[Names, int], Asked]:
    """What the oracle is asked about a recording, given its names and its start in ms since the epoch.

    The sale opens at its first local midnight unless told.

    Raises ``LoadgenError`` if ``sale_opens`` is no time with its offset.
    """
    by_merchant = {baseline.merchant_id: baseline for baseline in baselines}
    opens_ms = None if sale_opens is None else instant_ms("--sale-opens", sale_opens)

    def question(names: Names, start_ms: int) -> Asked:
        first = midnight_ms(DEFAULT_TIMEZONE, start_ms)
        return Asked(
            name, names.merchants.names, by_merchant, first if opens_ms is None else opens_ms,
            channels=tuple(names.channels.names), categories=tuple(names.categories.names),
        )  # fmt: skip

    return question


def _dealt(partitions: int) -> pl.Expr:
    return pl.col("order_id").rank("dense").cast(pl.Int64) % partitions


def _copies() -> pl.Expr:
    """Whether the same order and status came within the horizon before."""
    since = pl.col("event_ms") - pl.col("event_ms").shift(1).over("order_id", "status")
    return (since <= DEDUP_HORIZON_MS).fill_null(False)


def _json(orders: pl.DataFrame) -> pl.Expr:
    parts = [
        pl.lit('{"order_id":"'), _escaped("order_id"),
        pl.lit('","merchant_id":"'), _escaped("merchant_id"),
        pl.lit('","member_id":"'), _escaped("member_id"),
        pl.lit('","amount":'), pl.col("amount_fen").cast(pl.String),
        pl.lit(',"quantity":'), pl.col("quantity").cast(pl.String),
        pl.lit(',"status":"'), pl.col("status"),
        pl.lit('","event_time":'), pl.col("event_ms").cast(pl.String),
    ]  # fmt: skip
    for name in ("channel", "category"):
        if name in orders.columns:
            said = pl.col(name).fill_null("") != ""
            told = pl.concat_str(pl.lit(f',"{name}":"'), _escaped(name), pl.lit('"'))
            parts.append(pl.when(said).then(told).otherwise(pl.lit("")))
    return pl.concat_str([*parts, pl.lit("}")])


def _escaped(name: str) -> pl.Expr:
    text = pl.col(name).fill_null("")
    return text.str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)


def recording_blocks(recording: Recording) -> Iterator[Block]:
    """The recording in blocks of ``ROWS_A_BLOCK`` orders."""
    for first in range(0, len(recording.orders), ROWS_A_BLOCK):
        part = recording.orders.slice(first, ROWS_A_BLOCK)
        messages = [
            _messages(recording, part.filter(pl.col("partition") == partition), partition)
            for partition in range(recording.partitions)
        ]
        end_ms = int(part["event_ms"][-1]) - recording.start_ms + 1
        yield Block(messages, [_facts(part)], end_ms)


def _messages(recording: Recording, part: pl.DataFrame, partition: int) -> Messages:
    lengths = part["json"].str.len_bytes().to_numpy().astype(np.int64)
    data = np.frombuffer("".join(part["json"].to_list()).encode(), np.uint8)
    starts = np.cumsum(lengths) - lengths
    times = part["event_ms"].to_numpy()
    return Messages(
        partition=partition,
        data=data,
        starts=starts,
        lengths=lengths,
        key_starts=starts + len('{"order_id":"'),
        key_lengths=part.select(_escaped("order_id").str.len_bytes()).to_series().to_numpy().astype(np.int64),
        timestamps_ms=times,
        due_ms=times - recording.start_ms,
        events=np.ones(len(part), np.int32),
    )


def _facts(part: pl.DataFrame) -> Facts:
    good = part.filter(~pl.col("copy"))
    kinds = np.zeros(len(KINDS), np.int64)
    kinds[0], kinds[1] = len(good), len(part) - len(good)
    return Facts(
        row=good["row"].to_numpy(),
        event_ms=good["event_ms"].to_numpy(),
        code=good["status"].replace_strict(CODES, return_dtype=pl.UInt8).to_numpy(),
        amount_fen=good["amount_fen"].to_numpy(),
        quantity=good["quantity"].to_numpy(),
        first_order=np.full(len(good), SAYS_NOTHING, np.int8),
        where=Where(
            person=good["member_id_number"].to_numpy(),
            channel=good["channel_number"].to_numpy().astype(np.int32),
            category=good["category_number"].to_numpy().astype(np.int32),
            tier=np.zeros(len(good), np.uint8),
        ),
        kinds=kinds,
    )
