"""What Prometheus reads from a worker process."""

from __future__ import annotations

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from operators.batches import MULTIPLE_BOUNDS, NO_EVENT_MS, BoardRows, LaneOutput, ShardSummary
from operators.metrics import Metrics
from operators.metrics_buckets import BucketCounts
from operators.redis_stats import PublisherStats
from schemas.alerts import Alert
from schemas.dead_letters import DeadLetter, Reason
from schemas.windows import MEASURES, WINDOWS

NOW_S = 1_576_080_010.0
WATERMARK_MS = 1_576_080_000_000


class Scrape:
    """A metrics object beside what a scrape of it says."""

    def __init__(self, top_n: int = 20) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry, top_n, wall_s=lambda: NOW_S)

    def value(self, name: str, **labels: str) -> float | None:
        """One series."""
        return self.registry.get_sample_value(name, labels)

    def series(self, name: str) -> dict[tuple[str, ...], float]:
        """Every series of a name: its label values to its value."""
        return {
            tuple(sample.labels.values()): sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == name
        }


def letter(reason: Reason, topic: str = "orders") -> DeadLetter:
    return DeadLetter(topic, 0, 1, 0, reason, b"x")


def board(tops: dict[tuple[str, str], list[tuple[str, str | None, float]]] | None = None) -> BoardRows:
    return BoardRows(
        tops=tops or {},
        rollups={
            ("total", "all"): {"gmv:1h": 12_345, "orders:1h": 6, "sales_multiple:1h": 2.5, "merchants": 9}
        },
        series=[],
        watermark_ms=WATERMARK_MS,
        newest_ms=WATERMARK_MS + 5_000,
        merchants=9,
        without_baseline=1,
        multiples_histogram=np.arange(len(MULTIPLE_BOUNDS) + 1),
    )


def summary(shard: int, *, merchants: int = 3, late: int = 0) -> ShardSummary:
    return ShardSummary(
        shard=shard,
        progress={},
        watermark_ms=WATERMARK_MS,
        newest_ms=WATERMARK_MS,
        totals=np.zeros((len(WINDOWS), len(MEASURES)), np.int64),
        baseline_daily=np.zeros(3),
        ordinary=np.zeros(24),
        same_period=np.zeros(len(WINDOWS)),
        merchants=merchants,
        without_baseline=1,
        late=late,
        state_bytes=1_000,
        candidates={},
        minutes=[],
        multiples_histogram=np.zeros(len(MULTIPLE_BOUNDS) + 1, np.int64),
    )


def test_events_are_counted_by_topic_and_outcome() -> None:
    scrape = Scrape()
    output = LaneOutput(messages=5, accepted=3, duplicates=1, dead_letters=[letter("invalid")])
    scrape.metrics.took("orders", output)
    scrape.metrics.took("orders", LaneOutput(messages=1, accepted=1))
    assert scrape.value("warroom_messages_total", topic="orders") == 6
    assert scrape.series("warroom_events_total") == {
        ("orders", "accepted"): 4,
        ("orders", "duplicate"): 1,
        ("orders", "dead_letter"): 1,
    }


def test_dead_letters_are_counted_by_reason_from_zero_on() -> None:
    scrape = Scrape()
    scrape.metrics.took("orders", LaneOutput(dead_letters=[letter("future"), letter("future")]))
    scrape.metrics.dead_lettered([letter("late")])
    assert scrape.series("warroom_dead_letters_total") == {
        ("malformed",): 0,
        ("invalid",): 0,
        ("late",): 1,
        ("future",): 2,
    }


def test_a_late_event_is_a_dead_letter_of_its_topic_too() -> None:
    scrape = Scrape()
    scrape.metrics.dead_lettered([letter("late", "clicks")])
    assert scrape.value("warroom_events_total", topic="clicks", outcome="dead_letter") == 1


def test_lag_is_the_newest_of_each_partition() -> None:
    scrape = Scrape()
    for messages in (9, 4):
        scrape.metrics.lag("orders", 0, messages)
    scrape.metrics.lag("orders", 1, 7)
    assert scrape.series("warroom_consumer_lag_messages") == {("orders", "0"): 4, ("orders", "1"): 7}


def test_the_watermark_is_told_as_time_and_as_delay() -> None:
    scrape = Scrape()
    scrape.metrics.board(board())
    assert scrape.value("warroom_watermark_timestamp_seconds") == WATERMARK_MS / 1000
    assert scrape.value("warroom_watermark_delay_seconds") == 10
    assert scrape.value("warroom_newest_event_timestamp_seconds") == WATERMARK_MS / 1000 + 5


def test_without_a_watermark_there_is_no_delay() -> None:
    scrape = Scrape()
    rows = board()
    rows.watermark_ms = rows.newest_ms = NO_EVENT_MS
    scrape.metrics.board(rows)
    assert scrape.value("warroom_watermark_delay_seconds") is None


def test_only_the_best_have_series() -> None:
    scrape = Scrape(top_n=2)
    best: list[tuple[str, str | None, float]] = [("a", "甲", 9.0), ("b", None, 8.0), ("c", None, 7.0)]
    scrape.metrics.board(board({("sales_multiple", "1h"): best}))
    assert scrape.series("warroom_top") == {
        ("sales_multiple", "1h", "a", "甲"): 9,
        ("sales_multiple", "1h", "b", ""): 8,
    }


def test_who_leaves_the_board_has_no_series_any_more() -> None:
    scrape = Scrape()
    scrape.metrics.board(board({("orders", "1m"): [("a", None, 9.0)]}))
    scrape.metrics.board(board({("orders", "1m"): [("b", None, 9.0)]}))
    assert list(scrape.series("warroom_top")) == [("orders", "1m", "b", "")]


def test_amounts_are_told_in_yuan() -> None:
    scrape = Scrape()
    scrape.metrics.board(board({("gmv", "1h"): [("a", None, 250.0)]}))
    assert scrape.value("warroom_top", metric="gmv", window="1h", merchant="a", merchant_name="") == 2.5
    assert scrape.value("warroom_total", measure="gmv", window="1h") == pytest.approx(123.45)


def test_totals_are_told_by_measure_and_window() -> None:
    scrape = Scrape()
    scrape.metrics.board(board())
    assert scrape.value("warroom_total", measure="orders", window="1h") == 6
    assert scrape.value("warroom_total", measure="sales_multiple", window="1h") == 2.5
    assert len(scrape.series("warroom_total")) == 3


def test_the_distribution_of_multiples_is_cumulative_up_to_everybody() -> None:
    scrape = Scrape()
    scrape.metrics.board(board())
    found = scrape.series("warroom_merchants_by_sales_multiple")
    assert found["0.5",] == 0 + 1
    assert found["1.0",] == 0 + 1 + 2
    assert found["+Inf",] == sum(range(len(MULTIPLE_BOUNDS) + 1))


def test_shards_of_a_process_are_added_up_each_by_its_newest_summary() -> None:
    scrape = Scrape()
    for shard, merchants in ((0, 3), (1, 4), (0, 5)):
        scrape.metrics.shard(summary(shard, merchants=merchants, late=2))
    assert scrape.value("warroom_merchants") == 9
    assert scrape.value("warroom_merchants_without_baseline") == 2
    assert scrape.value("warroom_late_events_total") == 4
    assert scrape.value("warroom_state_bytes", part="windows") == 2_000


def test_state_is_told_by_part() -> None:
    scrape = Scrape()
    scrape.metrics.state_bytes("journal", 77)
    assert scrape.value("warroom_state_bytes", part="journal") == 77


def test_what_is_remembered_for_duplicates_is_told() -> None:
    scrape = Scrape()
    scrape.metrics.dedup(ids=10, size=160, horizon_ms=600_000, shrunk_total=1)
    assert scrape.value("warroom_dedup_ids") == 10
    assert scrape.value("warroom_dedup_bytes") == 160
    assert scrape.value("warroom_dedup_horizon_seconds") == 600
    assert scrape.value("warroom_dedup_shrunk_total") == 1


def test_epochs_and_snapshots_are_histograms() -> None:
    scrape = Scrape()
    scrape.metrics.epoch(0.3)
    scrape.metrics.epoch(2.0)
    scrape.metrics.snapshot(0.02)
    assert scrape.value("warroom_epoch_seconds_bucket", le="0.5") == 1
    assert scrape.value("warroom_epoch_seconds_bucket", le="2.0") == 2
    assert scrape.value("warroom_epoch_seconds_sum") == pytest.approx(2.3)
    assert scrape.value("warroom_snapshot_seconds_count") == 1


def test_alerts_are_counted_by_rule_and_severity() -> None:
    scrape = Scrape()
    alert = Alert("id", "take_off", "m1", "critical", WATERMARK_MS, 57.0, 20.0, "起飛", "takes off")
    scrape.metrics.alerted([alert])
    scrape.metrics.alerted([alert])
    assert scrape.value("warroom_alerts_total", rule="take_off", severity="critical") == 2


def test_a_publisher_is_asked_at_each_scrape() -> None:
    scrape = Scrape()
    stats = PublisherStats(up=True, backlog_merchants=3, backlog_age_s=1.5, merchants_written=9)
    stats.latency.observe(np.array([0.2, 0.3, 7.0]))
    scrape.metrics.watch_publisher(lambda: stats)
    stats.transactions = 4
    assert scrape.value("warroom_redis_up") == 1
    assert scrape.value("warroom_redis_backlog_merchants") == 3
    assert scrape.value("warroom_redis_backlog_age_seconds") == 1.5
    assert scrape.value("warroom_redis_writes_total") == 9
    assert scrape.value("warroom_redis_transactions_total") == 4
    assert scrape.value("warroom_event_to_redis_seconds_bucket", le="0.25") == 1
    assert scrape.value("warroom_event_to_redis_seconds_count") == 3


def test_run_and_restarts_are_told_once_they_are_known() -> None:
    scrape = Scrape()
    assert scrape.series("warroom_run_number") == scrape.series("warroom_restarts_total") == {}
    scrape.metrics.started(run=7, restarts=2)
    assert scrape.value("warroom_run_number") == 7
    assert scrape.value("warroom_restarts_total") == 2


def test_the_build_is_named() -> None:
    (labels,) = Scrape().series("warroom_build_info")
    assert labels[0] == "0.1.0"


def full_scrape() -> Scrape:
    scrape = Scrape()
    scrape.metrics.board(board({("gmv", "1h"): [('a"b\n\ud800', "店", 1.0)]}))
    scrape.metrics.shard(summary(0))
    scrape.metrics.dedup(1, 2, 3, 4)
    scrape.metrics.lag("orders", 0, 1)
    scrape.metrics.took("orders", LaneOutput(messages=1))
    scrape.metrics.alerted([Alert("i", "r", "s", "info", 0, 1.0, 1.0, "", "")])
    scrape.metrics.watch_publisher(PublisherStats)
    scrape.metrics.started(run=7, restarts=2)
    return scrape


def test_every_name_has_the_prefix_and_every_counter_ends_in_total() -> None:
    families = list(full_scrape().registry.collect())
    assert len(families) > 25
    assert [f.name for f in families if not f.name.startswith("warroom_")] == []
    counters = [s.name for f in families if f.type == "counter" for s in f.samples]
    assert len(counters) > 5
    assert [name for name in counters if not name.endswith("_total")] == []


def test_every_metric_is_explained() -> None:
    assert [f.name for f in full_scrape().registry.collect() if not f.documentation.endswith(".")] == []


def test_an_id_of_any_bytes_breaks_no_scrape() -> None:
    assert b'merchant="a\\"b\\n?"' in generate_latest(full_scrape().registry)


def test_openmetrics_can_be_served_too() -> None:
    text = generate_openmetrics(full_scrape().registry)  # type: ignore[no-untyped-call]
    assert text.endswith(b"# EOF\n")


@pytest.mark.parametrize(("value", "bucket"), [(-1.0, 0), (0.0, 0), (0.1, 0), (0.11, 1), (1.0, 1), (1.01, 2)])
def test_a_bucket_includes_its_upper_bound(value: float, bucket: int) -> None:
    counts = BucketCounts((0.1, 1.0))
    counts.observe(np.array([value]))
    assert np.flatnonzero(counts.counts).tolist() == [bucket]


def test_joins_are_summed_over_the_shards_of_the_process() -> None:
    scrape = Scrape()
    for shard in (0, 1):
        held = summary(shard)
        held.joins, held.joins_bytes, held.repeated_joins, held.forgotten_joins = 10, 160, 3, 1
        scrape.metrics.shard(held)
    assert scrape.value("warroom_joins_remembered") == 20
    assert scrape.value("warroom_joins_bytes") == 320
    assert scrape.value("warroom_repeated_joins_total") == 6
    assert scrape.value("warroom_forgotten_joins_total") == 2


def test_views_are_counted_by_source() -> None:
    scrape = Scrape()
    scrape.metrics.click_sources({"search": 4, "map": 1, "other": 2})
    assert scrape.series("warroom_click_sources_total") == {("search",): 4, ("map",): 1, ("other",): 2}
