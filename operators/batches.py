"""What travels through the dataflow: raw batches, progress, deltas, results. Columns, never events.

Arrays are numpy; every shape is given in the comment beside its field. ``n`` rows, ``W`` windows
(``schemas.windows.WINDOWS``), ``M`` measures (``MEASURES``), ``K`` ratios (``RATIOS``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from schemas.alerts import Alert
from schemas.dead_letters import DeadLetter

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
U16 = npt.NDArray[np.uint16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

NO_EVENT_MS = -1
"""The newest event time of a partition that has had none."""
READ_AHEAD_BYTES: Final = 64
"""So far behind an event's bytes its scanner may read."""


@dataclass(slots=True)
class RawBatch:
    """Values of one Kafka partition as they came, in offset order, in one buffer.

    ``data`` holds the values one after the other, each followed by one newline that is not part of it;
    value ``i`` is ``data[starts[i] : starts[i] + lengths[i]]``. A message without a value has length -1.
    Behind the last newline ``READ_AHEAD_BYTES`` are readable.
    """

    topic: str
    partition: int
    data: U8
    starts: I64  # n
    lengths: I64  # n
    offsets: I64  # n, Kafka offsets: ascending, with gaps
    timestamps_ms: I64  # n, Kafka timestamps; -1 where the record has none
    keys: list[bytes | None] | None = None  # n, where the source was asked for them

    def __len__(self) -> int:
        return len(self.offsets)

    def value(self, index: int) -> bytes | None:
        """The untouched value of message ``index``."""
        if self.lengths[index] < 0:
            return None
        start = int(self.starts[index])
        return self.data[start : start + int(self.lengths[index])].tobytes()


class Standing(IntEnum):
    """What a partition may do to the watermark."""

    LIVE = 0
    """Holds it back."""
    IDLE = 1
    """At its end and silent: does not hold it back until it speaks again."""
    ENDED = 2
    """Drained for good (a bounded run)."""


@dataclass(slots=True, frozen=True)
class Progress:
    """How far one partition has been read, at the moment of the item that carries this."""

    topic: str
    partition: int
    next_offset: int
    newest_ms: int  # greatest event time so far, or NO_EVENT_MS
    standing: Standing

    @property
    def source(self) -> str:
        """``topic/partition``, as Redis and metrics name it."""
        return f"{self.topic}/{self.partition}"


@dataclass(slots=True)
class LaneOutput:
    """What one raw batch became on the worker that read it."""

    to_shards: list[tuple[str, Any]] = field(default_factory=list)  # shard key, its input
    to_rollups: list[tuple[str, Any]] = field(default_factory=list)  # key of the roll-ups, their input
    dead_letters: list[DeadLetter] = field(default_factory=list)
    messages: int = 0
    accepted: int = 0
    duplicates: int = 0


class Lane(Protocol):
    """What happens to one partition's messages on the worker that reads it.

    A lane is driven by one thread. ``take`` and ``pulse`` are called in the order of the stream;
    ``snapshot`` between them, at the end of an epoch.
    """

    @property
    def newest_ms(self) -> int:
        """Greatest event time accepted so far, or ``NO_EVENT_MS``."""

    def take(self, raw: RawBatch) -> LaneOutput:
        """Turn messages into one input for every shard (also an empty one: it carries progress)."""

    def pulse(self, standing: Standing) -> LaneOutput:
        """Tell every shard this partition's standing without any message."""

    def snapshot(self) -> Any:  # noqa: ANN401 - opaque to the source, pickled by Bytewax
        """Small, picklable state that ``resume`` of the lane's factory takes back."""

    def close(self) -> None:
        """Give back files."""


@dataclass(slots=True)
class SeriesPoint:
    """One closed minute of one merchant, or of everything (``subject`` = ``total``)."""

    subject: str
    minute_ms: int
    values: list[int]  # schemas.redis_layout.SERIES_FIELDS


Texts = dict[str, bytes | None]
"""Fields of a merchant that are texts and have changed; None removes one."""


@dataclass(slots=True)
class AlertNews:
    """What a shard has to tell of its alerts; all of it is safe to write again, by the alerts' ids."""

    told: list[Alert] = field(default_factory=list)
    active: list[Alert] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    fresh: list[Alert] = field(default_factory=list)
    """Those of ``told`` that were never handed out before, for counting."""

    def __bool__(self) -> bool:
        return bool(self.told or self.active or self.ended)


@dataclass(slots=True)
class MerchantRows:
    """Merchants of one shard whose results changed: absolute values, to be written as they are.

    A later one replaces an earlier one for the same merchant. ``changed`` has a bit of
    ``operators.changes`` set where a value of that group and window may differ from what was handed out
    before.
    """

    shard: int
    progress: dict[str, int]  # "topic/partition" -> next offset that is in these values
    merchant_ids: list[str]  # n
    names: list[str | None]  # n, from the baseline
    changed: U16  # n, bits of operators.changes
    clicked: npt.NDArray[np.bool_]  # n, False: it has had no clicks, so it gets no fields from them
    urgent: npt.NDArray[np.bool_]  # n, False: only time has passed (sliding windows fell)
    measures: I64  # n x W x M
    ratios: F64  # n x W x K, NaN = absent
    people: F64  # n x DISTINCT x DISTINCT_WINDOWS, whole numbers, NaN = absent
    peak_multiple: F64  # n, NaN = absent
    peak_same_period: F64  # n, NaN = absent
    peak_at_ms: I64  # n, -1 = absent
    event_time_ms: I64  # n, newest of the merchant
    baseline_gmv: F64  # n, fen a day, NaN = absent
    baseline_orders: F64  # n, a day, NaN = absent
    baseline_new_members: F64  # n, a day, NaN = absent
    hundred_hours: F64  # n x 2, hours to 100 new members of the day and of the sale, NaN = not yet
    texts: list[Texts | None] = field(default_factory=list)  # n, None where none has changed
    series: list[SeriesPoint] = field(default_factory=list)
    ordinary: dict[str, list[float] | None] = field(default_factory=dict)
    """Subject of a series -> the baseline's gmv in fen in each hour of the local clock; None removes it."""
    arrived_ms: I64 | None = None  # n, Kafka timestamp of the newest record of the merchant, -1 unknown
    alerts: AlertNews = field(default_factory=AlertNews)

    def __len__(self) -> int:
        return len(self.merchant_ids)


@dataclass(slots=True)
class ShardSummary:
    """What the board needs of one shard: totals, candidates for the leaderboards, closed minutes."""

    shard: int
    progress: dict[str, Progress]
    watermark_ms: int  # NO_EVENT_MS before there is one
    newest_ms: int
    totals: I64  # W x M, over all merchants of the shard
    baseline_daily: F64  # gmv, orders, new members: sums over the shard's baselines
    ordinary: F64  # 24, what all its baselines sell in each hour of the local clock
    same_period: F64  # W, what all its baselines sold in the stretch of each window
    merchants: int
    without_baseline: int
    late: int
    state_bytes: int
    candidates: dict[tuple[str, str], list[tuple[str, str | None, float]]]  # metric, window -> best
    minutes: list[SeriesPoint]  # this shard's part of the total's closed minutes, each sent once
    multiples_histogram: I64  # merchants by their 1h sales multiple, schemas-wide bounds below
    alerts_active: dict[tuple[str, str], int] = field(default_factory=dict)  # rule, severity -> how many hold
    alerts_suppressed: int = 0  # decided, but not told: too many in one minute
    joins: int = 0  # joins remembered
    joins_bytes: int = 0
    repeated_joins: int = 0
    forgotten_joins: int = 0
    bitmaps: npt.NDArray[np.uint32] | None = None
    """People of all merchants (``shard_people``): kinds and windows x registers; bit k, rank k was seen."""
    people_bytes: int = 0
    thinned: int = 0  # how often people were halved to a sample for want of memory


MULTIPLE_BOUNDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
"""Upper bounds of the buckets of ``multiples_histogram``; one more bucket is for what is above."""


@dataclass(slots=True)
class BoardRows:
    """What concerns everything at once: leaderboards, totals, the total's series, the clock."""

    tops: dict[tuple[str, str], list[tuple[str, str | None, float]]]  # metric, window -> id, name, score
    rollups: dict[tuple[str, str], dict[str, int | float]]  # ("total", "all") -> field -> value
    series: list[SeriesPoint]
    watermark_ms: int
    newest_ms: int
    merchants: int
    without_baseline: int
    multiples_histogram: I64
    ordinary: list[float] = field(default_factory=list)
    """The ordinary day of everything: gmv in fen in each hour of the local clock."""
