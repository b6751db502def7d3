"""Whether our own pipeline keeps up."""

from __future__ import annotations

from dashboards.grafana.definition import Board, Kind, Panel, Query, Row, Thresholds
from dashboards.grafana.promql import WHO, grown, heat, quantile, rate, select
from dashboards.grafana.shared import ANY_IS_BAD, DELAY, LAG, LATENCY, PLAIN, firing, who

BACKLOG = Thresholds(
    "yellow from 2 s, four publish intervals; red from 10 s, where an alert fires: pages show old numbers.",
    ((2.0, "yellow"), (10.0, "red")),
)
DEAD = Thresholds(
    "red from 1 a second: a producer sends what nobody can use. The alert goes by the share of all events.",
    ((1.0, "red"),),
)
EPOCH = Thresholds(
    "an epoch lasts 2 s by default; yellow from 5 s, red from 10 s: its end is held up, mostly by the disk.",
    ((5.0, "yellow"), (10.0, "red")),
)
HORIZON = Thresholds(
    "red below 600 s, the horizon by default: memory ran out and older duplicates are counted twice.",
    ((600.0, "green"),),
    base="red",
)
UP = Thresholds(
    "red at 0: not one worker, or one of several, does not answer.", ((1.0, "green"),), base="red"
)
MEMORY = Thresholds(
    "none, a limit is the machine's; what grows without end at a steady load is a leak.", base="blue"
)


def pipeline() -> Board:
    """The whole dashboard."""
    return Board(
        uid="warroom-pipeline",
        title="Warroom / Pipeline",
        text="Whether the war room keeps up: input, latency, bad input, state, recovery, Redis, processes.",
        rows=(_health(), _input(), _latency(), _bad_input(), _state(), _recovery(), _redis(), _processes()),
        variables=who("warroom_build_info"),
        marks=firing(),
    )


def _panel(
    kind: Kind,
    title: str,
    text: str,
    unit: str,
    expr: str,
    legend: str,
    thresholds: Thresholds = PLAIN,
    width: int = 8,
    *,
    high: float = float("inf"),
    low: float = 0.0,
    quiet: str = "",
    stacked: bool = False,
) -> Panel:
    query = Query(expr, legend, low, high, quiet)
    height = 4 if kind == "stat" else 8
    return Panel(kind, title, text, unit, (query,), thresholds, width, height, stacked=stacked)


def _health() -> Row:
    return Row(
        "Is it well",
        (
            _panel(
                "stat", "Workers", "Worker processes that answer.", "short", f"sum({select('up')})", "", UP, 3
            ),
            _panel(
                "stat",
                "Restarts",
                "Times that all workers were started again after a failure, in the time shown.",
                "short",
                f"max(round({grown('warroom_restarts_total')}))",
                "",
                ANY_IS_BAD,
                3,
            ),
            _panel(
                "stat",
                "Unread messages",
                "Messages in Kafka that are not read yet.",
                "short",
                f"sum({select('warroom_consumer_lag_messages')})",
                "",
                LAG,
                3,
            ),
            _panel(
                "stat",
                "Watermark delay",
                "Wall clock less the event time that is complete.",
                "s",
                f"max({select('warroom_watermark_delay_seconds')})",
                "",
                DELAY,
                3,
                low=-86_400.0,
            ),
            _panel(
                "stat",
                "Event to Redis, p95",
                "From an event's Kafka timestamp to Redis, 95th percentile.",
                "s",
                quantile(0.95, "warroom_event_to_redis_seconds"),
                "",
                LATENCY,
                3,
            ),
            _panel(
                "stat",
                "Dead letters",
                "Events that could not be used, in the time shown.",
                "short",
                f"sum(round({grown('warroom_dead_letters_total')}))",
                "",
                Thresholds(
                    "orange from 1: look at the reasons below; alerts go by their share.", ((1.0, "orange"),)
                ),
                3,
            ),
            _panel(
                "stat",
                "Redis",
                "1 while Redis takes the writes of every worker.",
                "bool_yes_no",
                f"min({select('warroom_redis_up')})",
                "",
                Thresholds("red at 0: results stand still.", ((1.0, "green"),), base="red"),
                3,
                high=1.0,
            ),
            _panel(
                "stat",
                "Redis backlog",
                "How long the oldest merchant with newer values has waited to be written.",
                "s",
                f"max({select('warroom_redis_backlog_age_seconds')})",
                "",
                BACKLOG,
                3,
            ),
        ),
    )


def _input() -> Row:
    return Row(
        "Input",
        (
            _panel(
                "curves",
                "Events by topic and outcome",
                "Accepted, duplicate and refused events a second. A late event counts as accepted first.",
                "cps",
                f"sum by (topic, outcome) ({rate('warroom_events_total')})",
                "{{topic}} {{outcome}}",
            ),
            _panel(
                "curves",
                "Messages by topic",
                "Kafka messages a second; one may hold several events.",
                "cps",
                f"sum by (topic) ({rate('warroom_messages_total')})",
                "{{topic}}",
            ),
            _panel(
                "curves",
                "Lag by partition",
                "Messages of each partition that are not read yet: one that grows alone is a hot partition.",
                "short",
                f"sum by (topic, partition) ({select('warroom_consumer_lag_messages')})",
                "{{topic}}/{{partition}}",
                LAG,
            ),
            Panel(
                "states",
                "Workers over time",
                "Whether each worker answers Prometheus: a gap in the green is a restart or worse.",
                "none",
                (Query(select("up"), "{{instance}}", high=1.0),),
                UP,
                states=((0, "does not answer", "red"), (1, "answers", "green")),
                width=6,
            ),
            _panel(
                "curves",
                "Watermark delay over time",
                "Wall clock less the event time that is complete.",
                "s",
                f"max by (job) ({select('warroom_watermark_delay_seconds')})",
                "{{job}}",
                DELAY,
                low=-86_400.0,
                width=6,
            ),
            _panel(
                "curves",
                "Newest event before the watermark",
                "How far the newest event is ahead of what is complete; partitions apart widen it.",
                "s",
                f"max by (job) ({select('warroom_newest_event_timestamp_seconds')}) - "
                f"max by (job) ({select('warroom_watermark_timestamp_seconds')})",
                "{{job}}",
                DELAY,
                width=6,
            ),
            _panel(
                "curves",
                "Views by source",
                "Clicks a second by the source that they name; other: none, or one that is not known.",
                "cps",
                f"sum by (source) ({rate('warroom_click_sources_total')})",
                "{{source}}",
                quiet="without a click stream there are no sources",
                stacked=True,
                width=6,
            ),
        ),
    )


def _latency() -> Row:
    return Row(
        "Latency",
        (
            _panel(
                "heatmap",
                "Event to Redis",
                "How long events took from their Kafka timestamp to Redis; brighter is more.",
                "s",
                heat("warroom_event_to_redis_seconds"),
                "{{le}}",
                LATENCY,
                12,
            ),
            Panel(
                "curves",
                "Event to Redis, percentiles",
                "Half, 95 of 100 and 99 of 100 events were in Redis within this time.",
                "s",
                tuple(
                    Query(quantile(share, "warroom_event_to_redis_seconds"), f"p{share * 100:g}")
                    for share in (0.5, 0.95, 0.99)
                ),
                LATENCY,
                width=12,
            ),
        ),
    )


def _bad_input() -> Row:
    return Row(
        "Bad input",
        (
            _panel(
                "curves",
                "Dead letters by reason",
                "Refused events a second: malformed (no JSON), invalid (a field), future (a clock), late.",
                "cps",
                f"sum by (reason) ({rate('warroom_dead_letters_total')})",
                "{{reason}}",
                DEAD,
            ),
            _panel(
                "curves",
                "Late events",
                "Events a second that were older than every bucket that is kept.",
                "cps",
                f"sum by (job) ({rate('warroom_late_events_total')})",
                "{{job}}",
                DEAD,
            ),
            _panel(
                "curves",
                "Repeated joins",
                "Joins a second of people who were members already; not counted again.",
                "cps",
                f"sum by (job) ({rate('warroom_repeated_joins_total')})",
                "{{job}}",
            ),
            _panel(
                "curves",
                "Duplicates among orders and clicks",
                "Part of all events that were copies of one taken before.",
                "percentunit",
                f"sum by (topic) ({rate('warroom_events_total', DUPLICATE)}) / "
                f"(sum by (topic) ({rate('warroom_events_total')}) > 0)",
                "{{topic}}",
                Thresholds(
                    "orange from 5 %: Kafka producers that retry send 1 to 2 % twice; more is a loop.",
                    ((0.05, "orange"),),
                ),
                high=1.0,
                quiet="while nothing is read there is no share",
                width=12,
            ),
            _panel(
                "curves",
                "Values without a row of their own",
                "Events a second of values past the first 200 of a dimension; they are counted under other.",
                "cps",
                f"sum by (dimension) ({rate('warroom_rollup_other_total')})",
                "{{dimension}}",
                quiet="it begins with the first value too many",
                width=12,
            ),
        ),
    )


DUPLICATE = 'outcome="duplicate"'


def _state() -> Row:
    return Row(
        "State",
        (
            _panel(
                "curves",
                "State by part",
                "Memory of the windows and the other parts of the state.",
                "bytes",
                f"sum by (part) ({select('warroom_state_bytes')})",
                "{{part}}",
                MEMORY,
                stacked=True,
            ),
            _panel(
                "curves",
                "Ids remembered against duplicates",
                "Orders and clicks whose copies would be found.",
                "short",
                f"sum by (job) ({select('warroom_dedup_ids')})",
                "{{job}}",
                MEMORY,
            ),
            _panel(
                "curves",
                "Memory for duplicates, joins and people",
                "Bytes of the ids against duplicates, of joins ever seen, of sketches of distinct people.",
                "bytes",
                f"sum by (__name__) ({{{_memory()}}})",
                "{{__name__}}",
                MEMORY,
            ),
            _panel(
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
            _panel(
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
            _panel(
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


def _memory() -> str:
    return f'{WHO}, __name__=~"warroom_dedup_bytes|warroom_joins_bytes|warroom_people_bytes"'


def _recovery() -> Row:
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
            _panel(
                "curves",
                "Run",
                "Number of the run: a step up is a start, wanted or not.",
                "short",
                f"max by (job) ({select('warroom_run_number')})",
                "{{job}}",
            ),
        ),
    )


def _redis() -> Row:
    return Row(
        "Redis",
        (
            _panel(
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
            _panel(
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


def _processes() -> Row:
    return Row(
        "Processes",
        (
            _panel(
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
            _panel(
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
            _panel(
                "curves",
                "Memory",
                "Resident memory of each worker.",
                "bytes",
                select("process_resident_memory_bytes"),
                "{{instance}}",
                MEMORY,
                width=6,
            ),
            _panel(
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
