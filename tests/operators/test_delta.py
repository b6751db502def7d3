"""What a partition sends to a shard is the same behind its way through bytes, and takes few of them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as made

from operators.added import CLICKS_WIDE, ORDERS_WIDE, Added
from operators.batches import NO_EVENT_MS, Progress, Standing
from operators.bytes_kernels import PADDING_BYTES
from operators.delta import Joins, ShardDelta
from operators.dimensions import CutNames
from operators.sales_cuts import SalesCuts
from schemas.windows import FINEST_BUCKET_MS

NOW_MS = 1_576_080_000_000
PROGRESS = Progress("orders", 3, 17, NOW_MS, Standing.LIVE)
ANY = st.integers(-(1 << 63), (1 << 63) - 1)
SMALL = st.integers(0, 300)


def columns(
    draw: st.DrawFn, length: int, items: st.SearchStrategy[int], dtype: type[np.integer[Any]] = np.int64
) -> npt.NDArray[Any]:
    return draw(made.arrays(dtype, length, elements=items))


@st.composite
def deltas(draw: st.DrawFn) -> ShardDelta:
    """Any delta, with numbers that no lane would send among them."""
    ids = draw(st.lists(st.binary(max_size=130), max_size=40))
    n = len(ids)
    number = draw(st.sampled_from([SMALL, ANY]))
    joins, sales, persons = (draw(st.integers(0, 9)) if n else 0 for _ in range(3))
    packed = b"xyz" + b"".join(ids) + bytes(PADDING_BYTES)
    kinds = draw(st.sampled_from([(True, False), (False, True), (True, True)] if n else [(True, False)]))
    wide = zip(kinds, (ORDERS_WIDE, CLICKS_WIDE), strict=True)
    orders, clicks = (np.zeros((n, w), np.int64) if there else None for there, w in wide)
    for part in (orders, clicks):
        if part is not None:
            for measure in draw(st.sets(st.integers(0, part.shape[1] - 1))):
                part[:, measure] = columns(draw, n, number)
    hashed = st.integers(0, (1 << 64) - 1)
    per_row = np.sort(columns(draw, n, st.integers(0, persons)))
    if n:
        per_row[-1] = persons
    return ShardDelta(
        5,
        PROGRESS,
        np.cumsum([3, *map(len, ids)], dtype=np.int32),
        np.frombuffer(packed, np.uint8),
        columns(draw, n, hashed, np.uint64),
        columns(draw, n, number),
        Added(orders, clicks),
        columns(draw, n, st.one_of(number, st.just(-1))),
        columns(draw, n, st.one_of(number, st.just(-1))),
        joins=Joins(
            columns(draw, joins, st.integers(0, 39), np.int32),
            columns(draw, joins, hashed, np.uint64),
            columns(draw, joins, number),
        ),
        sales=SalesCuts(
            columns(draw, sales, st.integers(0, 39), np.int32),
            columns(draw, sales, st.integers(0, 900), np.int16),
            columns(draw, sales, st.integers(0, 900), np.int16),
            columns(draw, sales, number),
            columns(draw, sales, number),
        ),
        names=CutNames(("", "other", "直播"), ("", "other", "美妆")) if joins or sales else CutNames(),
        person_ends=per_row if persons else None,
        persons=columns(draw, persons, hashed, np.uint64),
    )


def told(delta: ShardDelta) -> dict[str, Any]:
    """All of a delta, comparable."""
    plain: dict[str, Any] = {f.name: getattr(delta, f.name) for f in fields(delta)}
    first, last = delta.id_offsets[0], delta.id_offsets[-1]
    plain["id_offsets"] = delta.id_offsets - first
    plain["id_bytes"] = delta.id_bytes[first:last]
    plain |= {f"joins {name}": column for name, column in delta.joins._asdict().items()}
    plain |= {f"sales {number}": column for number, column in enumerate(delta.sales.columns)}
    plain |= {f"added {name}": column for name, column in delta.added._asdict().items()}
    del plain["joins"], plain["sales"], plain["added"]
    return {
        name: (value.dtype.str, value.tolist()) if isinstance(value, np.ndarray) else value
        for name, value in plain.items()
    }


@settings(deadline=None)
@given(deltas())
def test_a_delta_is_the_same_behind_its_way_through_bytes(delta: ShardDelta) -> None:
    assert told(ShardDelta.from_bytes(delta.to_bytes())) == told(delta)


def test_a_delta_without_rows_carries_the_progress() -> None:
    progress = Progress("clicks", 0, 4, NO_EVENT_MS, Standing.ENDED)
    again = ShardDelta.from_bytes(ShardDelta.empty(2, progress).to_bytes())
    assert (len(again), again.shard, again.progress) == (0, 2, progress)


def test_a_row_of_one_order_takes_half_of_what_its_columns_take() -> None:
    n = 1_000
    orders = np.zeros((n, ORDERS_WIDE), np.int64)
    orders[:, :3] = (1, 2, 19_900)
    delta = ShardDelta(
        5,
        PROGRESS,
        np.arange(0, 8 * n + 1, 8, dtype=np.int32),
        np.frombuffer(b"m0000123" * n + bytes(PADDING_BYTES), np.uint8),
        np.arange(n, dtype=np.uint64),
        np.full(n, NOW_MS // FINEST_BUCKET_MS),
        Added(orders, None),
        np.full(n, NOW_MS + 1_234),
        np.full(n, NOW_MS + 1_500),
        person_ends=np.arange(1, n + 1),
        persons=np.arange(n, dtype=np.uint64),
    )
    in_columns = 4 + 8 + 8 + 3 * 8 + 3 * 8 + 8 + 8
    assert len(delta.to_bytes()) < in_columns / 2 * n
