"""The pipeline's inside: what it remembers, how it survives, how it writes, what it uses."""

from __future__ import annotations

from dashboards.grafana.definition import Panel, Query, Row, Thresholds
from dashboards.grafana.promql import WHO, grown, quantile, rate, select
from dashboards.grafana.shared import ANY_IS_BAD, BACKLOG, PLAIN, one_query_panel

EPOCH = Thresholds(
    "an epoch lasts 2 s by default; yellow from 5 s, red from 10 s: its end is held up, mostly by the disk.",
    ((5.0, "yellow"), (10.0, "red")),
)
HORIZON = Thresholds(
    "red below 600 s, the horizon by default: memory ran out and older duplicates are counted twice.",
    ((600.0, "green"),),
    base="red",
)
MEMORY = Thresholds(
    "none, a limit is the machine's; what grows without end at a steady load is a leak.", base="blue"
)


def state() -> Row:
    """What is remembered, and what had to be forgotten."""
    return Row(
        "State",
        (
            *_remembered(),
            *_forgotten(),
            one_query_panel(
                "stat",
                "Merchants without a baseline",
                "They have no multiples and are on no board of multiples.",
                "percentunit",
                f"sum({select('warroom_merchants_without_baseline')}) / "
                f"(sum({select('warroom_merchants')}) > 0)",
                "",
                Thresholds(
                    "orange from 10 %: baselines are missing, not just new merchants.", ((0.1, "orange"),)
                ),
                6,
                high=1.0,
            ),
            one_query_panel(
                "stat",
                "Joins remembered",
                "Pairs of merchant and person that count no more as new.",
                "short",
                f"sum({select('warroom_joins_remembered')})",
                "",
                PLAIN,
                6,
            ),
        ),
    )


def _remembered() -> tuple[Panel, ...]:
    return (
        one_query_panel(
            "curves",
            "State by part",
            "Memory of the windows and the other parts of the state.",
            "bytes",
            f"sum by (part) ({select('warroom_state_bytes')})",
            "{{part}}",
            MEMORY,
            stacked=True,
        ),
        one_query_panel(
            "curves",
            "Ids remembered against duplicates",
            "Orders and clicks whose copies would be found.",
            "short",
            f"sum by (job) ({select('warroom_dedup_ids')})",
            "{{job}}",
            MEMORY,
        ),
        one_query_panel(
            "curves",
            "Memory for duplicates, joins and people",
            "Bytes of the ids against duplicates, of joins ever seen, of sketches of distinct people.",
            "bytes",
            f"sum by (__name__) ({{{_memory()}}})",
            "{{__name__}}",
            MEMORY,
        ),
    )


def _forgotten() -> tuple[Panel, ...]:
    return (
        one_query_panel(
            "stat",
            "Horizon of duplicates",
            "How far back a copy is found, the shortest of all workers.",
            "s",
            f"min({select('warroom_dedup_horizon_seconds')})",
            "",
            HORIZON,
            6,
        ),
        Panel(
            "stat",
            "Memory ran out",
            "In the time shown: times that the horizon of duplicates was cut, joins that were forgotten, "
            "merchants whose people are counted by a sample since.",
            "short",
            (
                Query(f"sum(round({grown('warroom_dedup_shrunk_total')}))", "horizon cut"),
                Query(f"sum(round({grown('warroom_forgotten_joins_total')}))", "joins forgotten"),
                Query(f"sum(round({grown('warroom_people_thinned_total')}))", "people sampled"),
            ),
            ANY_IS_BAD,
            width=6,
            height=4,
        ),
    )


def _memory() -> str:
    return f'{WHO}, __name__=~"warroom_dedup_bytes|warroom_joins_bytes|warroom_people_bytes"'


def recovery() -> Row:
    """Epochs, snapshots, runs."""
    return Row(
        "Recovery",
        (
            Panel(
                "curves",
                "Epochs",
                "How long epochs took, from one snapshot to the next.",
                "s",
                (
                    Query(quantile(0.5, "warroom_epoch_seconds"), "p50"),
                    Query(quantile(0.99, "warroom_epoch_seconds"), "p99"),
                ),
                EPOCH,
            ),
            Panel(
                "curves",
                "Snapshots of one part",
                "How long the snapshot of one shard or partition took; input waits meanwhile.",
                "s",
                (
                    Query(quantile(0.5, "warroom_snapshot_seconds"), "p50"),
                    Query(quantile(0.99, "warroom_snapshot_seconds"), "p99"),
                ),
                Thresholds(
                    "yellow from 0.5 s, red from 2 s: one part alone stalls a whole epoch.",
                    ((0.5, "yellow"), (2.0, "red")),
                ),
            ),
            one_query_panel(
                "curves",
                "Run",
                "Number of the run: a step up is a start, wanted or not.",
                "short",
                f"max by (job) ({select('warroom_run_number')})",
                "{{job}}",
            ),
        ),
    )


def to_redis() -> Row:
    """The way out."""
    return Row(
        "Redis",
        (
            one_query_panel(
                "curves",
                "Backlog",
                "Merchants whose newest values are not in Redis.",
                "short",
                f"sum by (instance) ({select('warroom_redis_backlog_merchants')})",
                "{{instance}}",
                Thresholds(
                    "none by number, a million merchants may all change at once; its age decides.",
                    base="blue",
                ),
                6,
            ),
            one_query_panel(
                "curves",
                "Age of the backlog",
                "How long the oldest merchant with newer values has waited.",
                "s",
                f"max by (instance) ({select('warroom_redis_backlog_age_seconds')})",
                "{{instance}}",
                BACKLOG,
                6,
            ),
            Panel(
                "curves",
                "Writes",
                "Merchants written and transactions that took effect, a second.",
                "wps",
                (
                    Query(f"sum by (job) ({rate('warroom_redis_writes_total')})", "merchants"),
                    Query(f"sum by (job) ({rate('warroom_redis_transactions_total')})", "transactions"),
                ),
                PLAIN,
                width=6,
            ),
            Panel(
                "curves",
                "Trouble",
                "Failed tries, times that Redis had lost what was written, shards that wait after a restart.",
                "short",
                (
                    Query(f"sum by (job) ({rate('warroom_redis_failures_total')})", "failed tries a second"),
                    Query(f"sum by (job) ({rate('warroom_redis_losses_total')})", "losses a second"),
                    Query(f"sum by (job) ({select('warroom_redis_held_shards')})", "shards that wait"),
                ),
                ANY_IS_BAD,
                width=6,
            ),
        ),
    )


def processes() -> Row:
    """Processor and memory."""
    return Row(
        "Processes",
        (
            one_query_panel(
                "curves",
                "Processor",
                "Cores that each worker uses.",
                "none",
                rate("process_cpu_seconds_total"),
                "{{instance}}",
                Thresholds("orange from 0.95: a worker has one core for its dataflow.", ((0.95, "orange"),)),
                high=64.0,
                width=6,
            ),
            one_query_panel(
                "curves",
                "Processor by stage",
                "Cores that each stage of the data's way uses, all workers together.",
                "none",
                f"sum by (stage) ({rate('warroom_stage_cpu_seconds_total')})",
                "{{stage}}",
                Thresholds("none, it shows where a core goes when one is full.", base="blue"),
                high=64.0,
                stacked=True,
                width=6,
            ),
            one_query_panel(
                "curves",
                "Memory",
                "Resident memory of each worker.",
                "bytes",
                select("process_resident_memory_bytes"),
                "{{instance}}",
                MEMORY,
                width=6,
            ),
            one_query_panel(
                "curves",
                "Up since",
                "Age of each worker process.",
                "s",
                f"time() - {select('process_start_time_seconds')}",
                "{{instance}}",
                Thresholds("none, a fall to 0 is a restart.", base="blue"),
                width=6,
            ),
        ),
    )
