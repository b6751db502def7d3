"""Replay: orders and clicks in columns to the blocks of messages and facts that a scenario is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from loadgen.channels import ACTIONS, SOURCES, UNNAMED_SOURCE
from loadgen.draws import I64
from loadgen.facts import KINDS, SAYS_NOTHING, ClickFacts, Facts, Where
from loadgen.json_bytes import Messages
from loadgen.keying import Key, partitions_of_ids
from loadgen.local_time import midnight_ms
from loadgen.names import UNKNOWN, Names
from loadgen.options import instant_ms
from loadgen.oracle import Asked
from loadgen.recorded import STATUSES
from loadgen.stream import Block
from schemas.baselines import Baseline
from schemas.windows import DEFAULT_TIMEZONE

ROWS_A_BLOCK: Final = 100_000
ACTION_CODES: Final = {action: code for code, action in enumerate(ACTIONS)}
SOURCE_CODES: Final = {source: code for code, source in enumerate(SOURCES) if code < UNNAMED_SOURCE}
CODES: Final = {status: code for code, status in enumerate(STATUSES)}
DEDUP_HORIZON_MS: Final = 600_000
"""The same order and status again within this is a duplicate, as the pipeline's default says."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Recorded orders and clicks in the order of sending, ready to be replayed. No clicks: no such lane."""

    orders: pl.DataFrame
    names: Names
    start_ms: int
    partitions: int
    clicks: pl.DataFrame | None = None
    click_partitions: int = 0


def make_recording(
    orders: pl.DataFrame,
    partitions: int,
    key: Key = "order",
    clicks: pl.DataFrame | None = None,
    click_partitions: int = 0,
) -> Recording:
    """Sort by time, spread over partitions by order (so that a duplicate meets its original) or merchant.

    Clicks are spread by visitor, so that what somebody does twice comes twice in a partition.
    """
    names = Names()
    frames = [orders] if clicks is None else [orders, clicks]
    for merchant_id in pl.concat([f["merchant_id"] for f in frames]).unique().sort().to_list():
        names.merchants.number(merchant_id)
    ordered = _numbered(orders, names, "member_id", partitions)
    ordered = ordered.with_columns(
        partition=pl.col("home") if key == "merchant" else _dealt(partitions),
        copy=_copies("order_id", "status"),
        json=_json(ordered),
    )
    firsts = [int(f["event_ms"].min() or 0) for f in frames if len(f)]  # type: ignore[arg-type]
    start_ms = min(firsts, default=0)
    if clicks is None:
        return Recording(ordered, names, start_ms, partitions)
    clicked = _numbered(clicks, names, "visitor_id", click_partitions)
    by_visitor = pl.col("person") % click_partitions
    clicked = clicked.with_columns(
        partition=pl.col("home") if key == "merchant" else by_visitor,
        copy=_copies("event_id"),
        json=_click_json(clicked),
    )
    return Recording(ordered, names, start_ms, partitions, clicked, click_partitions)


def _numbered(events: pl.DataFrame, names: Names, person: str, partitions: int) -> pl.DataFrame:
    """Events by time with their ``row``, its ``home``, and numbers of ``person``, channel and category."""
    ids = names.merchants.names
    homes = pl.DataFrame(
        {
            "merchant_id": ids,
            "row": np.arange(len(ids), dtype=np.int32),
            "home": partitions_of_ids(ids, partitions),
        },
        schema_overrides={"merchant_id": pl.String},
    )
    ordered = events.sort("event_ms", maintain_order=True)
    ordered = ordered.join(homes, on="merchant_id", how="left", maintain_order="left")
    numbers = {}
    for number, column, known in (
        ("person", person, names.people),
        ("channel_number", "channel", names.channels),
        ("category_number", "category", names.categories),
    ):
        values = ordered[column].to_list() if column in ordered.columns else [None] * len(ordered)
        told = [known.number(value or UNKNOWN) for value in values]
        numbers[number] = pl.Series(told, dtype=pl.Int64)
    return ordered.with_columns(**numbers)


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


def _copies(*same: str) -> pl.Expr:
    """Whether an event with the ``same`` fields came within the horizon before."""
    since = pl.col("event_ms") - pl.col("event_ms").shift(1).over(same)
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
    return pl.concat_str([*parts, *_said(orders, ("channel", "category")), pl.lit("}")])


def _click_json(clicks: pl.DataFrame) -> pl.Expr:
    parts = [
        pl.lit('{"event_id":"'), _escaped("event_id"),
        pl.lit('","merchant_id":"'), _escaped("merchant_id"),
        pl.lit('","visitor_id":"'), _escaped("visitor_id"),
        pl.lit('","action":"'), pl.col("action"),
        pl.lit('","event_time":'), pl.col("event_ms").cast(pl.String),
    ]  # fmt: skip
    return pl.concat_str([*parts, *_said(clicks, ("source", "channel", "category")), pl.lit("}")])


def _said(events: pl.DataFrame, names: tuple[str, ...]) -> list[pl.Expr]:
    """Optional fields, where they say something."""
    parts = []
    for name in names:
        if name in events.columns:
            said = pl.col(name).fill_null("") != ""
            told = pl.concat_str(pl.lit(f',"{name}":"'), _escaped(name), pl.lit('"'))
            parts.append(pl.when(said).then(told).otherwise(pl.lit("")))
    return parts


def _escaped(name: str) -> pl.Expr:
    text = pl.col(name).fill_null("")
    return text.str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)


def recording_blocks(recording: Recording) -> Iterator[Block]:
    """The recording in blocks of about ``ROWS_A_BLOCK`` events; what has one time stays in one block."""
    frames = [recording.orders] if recording.clicks is None else [recording.orders, recording.clicks]
    times = np.sort(np.concatenate([frame["event_ms"].to_numpy() for frame in frames]))
    ends = [*np.unique(times[ROWS_A_BLOCK - 1 : len(times) - 1 : ROWS_A_BLOCK] + 1), *(times[-1:] + 1)]
    first = [0, 0]
    for end_ms in dict.fromkeys(int(end) for end in ends):
        messages, parts = [], []
        for lane, (frame, partitions) in enumerate(
            zip(frames, (recording.partitions, recording.click_partitions), strict=False)
        ):
            last = int(np.searchsorted(frame["event_ms"].to_numpy(), end_ms))
            part = frame.slice(first[lane], last - first[lane])
            first[lane] = last
            parts.append(part)
            messages += [
                _messages(part.filter(pl.col("partition") == partition), partition, lane, recording.start_ms)
                for partition in range(partitions)
            ]
        clicks = tuple(_click_facts(part) for part in parts[1:])
        yield Block(messages, [_facts(parts[0])], end_ms - recording.start_ms, clicks)


_ID: Final = (("order_id", '{"order_id":"'), ("event_id", '{"event_id":"'))
"""By lane: the column that is the key, and what stands before it."""


def _messages(part: pl.DataFrame, partition: int, lane: int, start_ms: int) -> Messages:
    name, before = _ID[lane]
    lengths = part["json"].str.len_bytes().to_numpy().astype(np.int64)
    data = np.frombuffer("".join(part["json"].to_list()).encode(), np.uint8)
    starts = np.cumsum(lengths) - lengths
    times = part["event_ms"].to_numpy()
    return Messages(
        partition=partition,
        data=data,
        starts=starts,
        lengths=lengths,
        key_starts=starts + len(before),
        key_lengths=part.select(_escaped(name).str.len_bytes()).to_series().to_numpy().astype(np.int64),
        timestamps_ms=times,
        due_ms=times - start_ms,
        events=np.ones(len(part), np.int32),
        lane=lane,
    )


def _facts(part: pl.DataFrame) -> Facts:
    good = part.filter(~pl.col("copy"))
    return Facts(
        row=good["row"].to_numpy(),
        event_ms=good["event_ms"].to_numpy(),
        code=good["status"].replace_strict(CODES, return_dtype=pl.UInt8).to_numpy(),
        amount_fen=good["amount_fen"].to_numpy(),
        quantity=good["quantity"].to_numpy(),
        first_order=np.full(len(good), SAYS_NOTHING, np.int8),
        where=_where(good),
        kinds=_kinds(part, good),
    )


def _click_facts(part: pl.DataFrame) -> ClickFacts:
    good = part.filter(~pl.col("copy"))
    sources = good["source"] if "source" in good.columns else pl.Series([None] * len(good), dtype=pl.String)
    said = sources.fill_null("").replace_strict(SOURCE_CODES, default=UNNAMED_SOURCE, return_dtype=pl.UInt8)
    return ClickFacts(
        row=good["row"].to_numpy(),
        event_ms=good["event_ms"].to_numpy(),
        action=good["action"].replace_strict(ACTION_CODES, return_dtype=pl.UInt8).to_numpy(),
        source=said.to_numpy(),
        where=_where(good),
        kinds=_kinds(part, good),
    )


def _where(good: pl.DataFrame) -> Where:
    return Where(
        person=good["person"].to_numpy(),
        channel=good["channel_number"].to_numpy().astype(np.int32),
        category=good["category_number"].to_numpy().astype(np.int32),
        tier=np.zeros(len(good), np.uint8),
    )


def _kinds(part: pl.DataFrame, good: pl.DataFrame) -> I64:
    kinds = np.zeros(len(KINDS), np.int64)
    kinds[0], kinds[1] = len(good), len(part) - len(good)
    return kinds
