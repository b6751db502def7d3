"""Every metric of a worker process. Updates are additions to plain numbers; a scrape does the rest.

One collector holds all of them, so that sets of series (leaders, partitions) are replaced as a whole and
nothing stale stays. Counters begin with the process.
"""

from __future__ import annotations

import platform
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version

import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from operators.batches import BoardRows, LaneOutput, ShardSummary
from operators.metrics_board import (
    board_families,
    counter,
    gauge,
    label,
    publisher_families,
    shard_families,
)
from operators.metrics_buckets import BucketCounts
from operators.metrics_rollups import rollup_families
from operators.redis_stats import PublisherStats
from operators.rollup_delta import Value
from operators.rollup_results import Fields, RollupRows
from schemas.alerts import Alert
from schemas.dead_letters import REASONS, DeadLetter

EPOCH_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper bounds of the buckets of epochs and snapshots, in seconds."""


class Metrics(Collector):
    """All of a worker's metrics, told to ``registry``. Every method may be called from any thread.

    ``top_n``: merchants that have series of their own, per metric and window.
    """

    def __init__(
        self, registry: CollectorRegistry, top_n: int = 20, wall_s: Callable[[], float] = time.time
    ) -> None:
        self._top_n = top_n
        self._wall_s = wall_s
        self._lock = threading.Lock()
        self._messages: Counter[str] = Counter()
        self._events: Counter[tuple[str, str]] = Counter()
        self._dead_letters: Counter[str] = Counter(dict.fromkeys(REASONS, 0))
        self._alerts: Counter[tuple[str, str]] = Counter()
        self._click_sources: dict[str, int] = {}
        self._lag: dict[tuple[str, str], float] = {}
        self._state_bytes: dict[str, float] = {}
        self._dedup: tuple[int, int, float, int] | None = None
        self._epochs = BucketCounts(EPOCH_BOUNDS_S)
        self._snapshots = BucketCounts(EPOCH_BOUNDS_S)
        self._shards: dict[int, ShardSummary] = {}
        self._board: BoardRows | None = None
        self._rollups: dict[Value, Fields] = {}
        self._rollup_others: dict[str, int] | None = None
        self._publisher: Callable[[], PublisherStats] | None = None
        self._run: tuple[int, int] | None = None
        self._stages: Callable[[], dict[str, float]] | None = None
        registry.register(self)

    # Updates.

    def took(self, topic: str, output: LaneOutput) -> None:
        """A lane has turned messages of ``topic`` into ``output``; its dead letters are counted here."""
        with self._lock:
            self._messages[topic] += output.messages
            self._events[topic, "accepted"] += output.accepted
            self._events[topic, "duplicate"] += output.duplicates
            self._events[topic, "dead_letter"] += len(output.dead_letters)
            self._dead_letters.update(letter.reason for letter in output.dead_letters)

    def click_sources(self, views: dict[str, int]) -> None:
        """Views that this process has taken so far, by their source."""
        with self._lock:
            self._click_sources = views

    def dead_lettered(self, letters: Iterable[DeadLetter]) -> None:
        """Events that were refused after their lane (late ones): accepted before, now dead letters."""
        with self._lock:
            for letter in letters:
                self._events[letter.topic, "dead_letter"] += 1
                self._dead_letters[letter.reason] += 1

    def lag(self, topic: str, partition: int, messages: int) -> None:
        """How many messages of a partition are not read yet."""
        with self._lock:
            self._lag[topic, str(partition)] = messages

    def state_bytes(self, part: str, size: int) -> None:
        """Bytes that a part of the state holds; ``windows`` is told by ``shard``."""
        with self._lock:
            self._state_bytes[part] = size

    def dedup(self, ids: int, size: int, horizon_ms: float, shrunk_total: int) -> None:
        """What is remembered to find duplicates, over all partitions of this process."""
        with self._lock:
            self._dedup = (ids, size, horizon_ms / 1000, shrunk_total)

    def epoch(self, seconds: float) -> None:
        """An epoch has ended."""
        with self._lock:
            self._epochs.observe(np.array([seconds]))

    def snapshot(self, seconds: float) -> None:
        """The snapshot of one part of the state has been taken."""
        with self._lock:
            self._snapshots.observe(np.array([seconds]))

    def shard(self, summary: ShardSummary) -> None:
        """A shard of this process stands so."""
        with self._lock:
            self._shards[summary.shard] = summary

    def board(self, rows: BoardRows) -> None:
        """The board stands so (in the process that has it)."""
        with self._lock:
            self._board = rows

    def rolled_up(self, rows: RollupRows) -> None:
        """Roll-ups that changed (in the process that keeps them)."""
        with self._lock:
            self._rollups.update(rows.rows)
            self._rollup_others = rows.others

    def alerted(self, alerts: Iterable[Alert]) -> None:
        """Alerts have been told."""
        with self._lock:
            self._alerts.update((alert.rule, alert.severity) for alert in alerts)

    def started(self, run: int, restarts: int) -> None:
        """This process belongs to run number ``run``; its supervisor has restarted all ``restarts`` times."""
        self._run = (run, restarts)

    def watch_publisher(self, stats: Callable[[], PublisherStats]) -> None:
        """Ask a publisher at every scrape how it stands."""
        self._publisher = stats

    def watch_stages(self, seconds: Callable[[], dict[str, float]]) -> None:
        """Ask at every scrape where the process has spent its CPU time."""
        self._stages = seconds

    # Scrapes.

    def describe(self) -> list[Metric]:
        """Nothing: what there is depends on what has been told."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All families as they stand now."""
        with self._lock:
            families = [*self._inputs(), *self._state(), *self._results()]
        yield from families
        if self._publisher is not None:
            yield from publisher_families(self._publisher())
        if self._run is not None:
            yield gauge("warroom_run_number", "Number of the run; it grows with every start.", self._run[0])
            yield counter(
                "warroom_restarts", "Times that all workers were started again after a failure.", self._run[1]
            )
        if self._stages is not None:
            yield _counters(
                "warroom_stage_cpu_seconds",
                "CPU time by stage of the data's way; all stages together are the process.",
                ("stage",),
                self._stages(),
            )
        build = GaugeMetricFamily("warroom_build_info", "Always 1.", labels=("version", "python", "bytewax"))
        build.add_metric((version("warroom"), platform.python_version(), version("bytewax")), 1)
        yield build

    def _inputs(self) -> Iterator[Metric]:
        yield _counters("warroom_messages", "Kafka messages read.", ("topic",), self._messages)
        yield _counters(
            "warroom_events",
            "Events by outcome; a late one is accepted first and a dead letter later.",
            ("topic", "outcome"),
            self._events,
        )
        yield _counters("warroom_dead_letters", "Refused events.", ("reason",), self._dead_letters)
        yield _counters(
            "warroom_click_sources",
            "Views by source; other: an unknown one, or none.",
            ("source",),
            Counter(self._click_sources),
        )
        lag = GaugeMetricFamily(
            "warroom_consumer_lag_messages", "Messages not read yet.", labels=("topic", "partition")
        )
        for partition, messages in self._lag.items():
            lag.add_metric(partition, messages)
        yield lag
        if self._dedup is not None:
            ids, size, horizon_s, shrunk = self._dedup
            yield gauge("warroom_dedup_ids", "Ids of events remembered to find duplicates.", ids)
            yield gauge("warroom_dedup_bytes", "Bytes that these take.", size)
            yield gauge("warroom_dedup_horizon_seconds", "How far back duplicates are found.", horizon_s)
            yield counter("warroom_dedup_shrunk", "Times that the horizon was cut for memory.", shrunk)

    def _state(self) -> Iterator[Metric]:
        sizes = dict(self._state_bytes)
        if self._shards:
            yield from shard_families(self._shards.values())
            sizes["windows"] = sum(s.state_bytes for s in self._shards.values())
        family = GaugeMetricFamily("warroom_state_bytes", "Memory of the state by part.", labels=("part",))
        for part, size in sizes.items():
            family.add_metric((part,), size)
        yield family
        yield self._epochs.family("warroom_epoch_seconds", "How long epochs took.")
        yield self._snapshots.family("warroom_snapshot_seconds", "How long snapshots of one part took.")

    def _results(self) -> Iterator[Metric]:
        yield _counters("warroom_alerts", "Alerts told.", ("rule", "severity"), self._alerts)
        if self._board is not None:
            yield from board_families(self._board, self._top_n, self._wall_s())
        if self._rollup_others is not None:
            yield from rollup_families(self._rollups, self._rollup_others)


def _counters(
    name: str,
    text: str,
    labels: tuple[str, ...],
    values: Mapping[str, float] | Mapping[tuple[str, str], float],
) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric([label(part) for part in ((key,) if isinstance(key, str) else key)], value)
    return family
