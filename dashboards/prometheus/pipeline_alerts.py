"""Alerts about the pipeline itself: does it read, is it fresh, does it stay up."""

from __future__ import annotations

from typing import Final

from dashboards.prometheus.rule import EVERY_WORKER, Alert, Group

ALL: Final = (("instance", EVERY_WORKER),)
WARROOM_JOB: Final = "warroom"
"""The job's name in the targets' files: what is missing altogether cannot be found by its metrics."""

PIPELINE: Final = Group(
    "warroom-pipeline",
    (
        Alert(
            "WarroomNotScraped",
            expr=f"""
                up{{job="{WARROOM_JOB}"}} == 0
                or label_replace(absent(up{{job="{WARROOM_JOB}"}}), "instance", "{EVERY_WORKER}", "", "")
            """,
            hold_s=15,
            severity="critical",
            area="pipeline",
            summary="Worker {{ $labels.instance }} does not answer Prometheus",
            means="""
                A worker's /metrics does not answer, or Prometheus has no worker to ask at all. Every other
                alert is blind meanwhile.
            """,
            do="""
                On the host: is `warroom run` up, what does it say? Are the ports metrics.port to
                metrics.port + workers - 1, and do the targets of Prometheus name them all?
            """,
        ),
        Alert(
            "WarroomLagGrows",
            expr="""
                job:warroom_consumer_lag_messages:sum > 10000 and
                deriv(job:warroom_consumer_lag_messages:sum[2m]) > 0
            """,
            hold_s=60,
            severity="warning",
            area="pipeline",
            summary="{{ $value | humanize }} messages are not read yet, and they grow",
            means="""
                Events come in faster than they are read: results are true for an ever older moment.
            """,
            do="""
                Look at lag by partition. If one alone grows, its producers share one key; if all do, start
                more workers (`--workers`, up to the number of cores) or look for what else uses the
                machine.
            """,
            labels=ALL,
        ),
        Alert(
            "WarroomWatermarkStuck",
            expr="""
                delta(job:warroom_watermark_timestamp_seconds:max[2m]) <= 0 and on (job)
                job:warroom_messages:rate2m > 0
            """,
            hold_s=30,
            severity="critical",
            area="pipeline",
            summary="Messages are read, but the watermark has not moved for two minutes",
            means="""
                Nothing is closed any more: peaks, milestones and alerts of the war room wait. One partition
                with a backlog is not read on, or its events stay at one time.
            """,
            do="""
                Look at lag by partition: the one that does not fall holds it. Look at its newest messages;
                a producer whose clock stands still is ended.
            """,
            labels=ALL,
        ),
        Alert(
            "WarroomRestarted",
            expr="max by (job) (increase(warroom_restarts_total[10m])) >= 0.5",
            hold_s=0,
            severity="warning",
            area="pipeline",
            summary="All workers were started again after a failure",
            means="""
                A worker died or hung; the supervisor has started all again from the last snapshot. Nothing
                is lost and nothing counted twice, but results stood still for some seconds.
            """,
            do="""
                Read the supervisor's log for the reason. Once is bad luck; see WarroomRestartsAgain.
            """,
            labels=ALL,
        ),
        Alert(
            "WarroomRestartsAgain",
            expr="max by (job) (increase(warroom_restarts_total[10m])) >= 3",
            hold_s=0,
            severity="critical",
            area="pipeline",
            summary='Workers were started again {{ $value | printf "%.0f" }} times in ten minutes',
            means="""
                What ends the workers comes back after each start. After ten failures in a row the
                supervisor gives up.
            """,
            do="""
                The log names the reason of each. Memory (kernel log), disk of the state directory, a
                message that no version can read. Keep the state directory; it is the way back.
            """,
            labels=ALL,
        ),
        Alert(
            "WarroomDeadLetters",
            expr="""
                job:warroom_dead_letters_per_event:ratio5m > 0.01 and on (job) sum by (job)
                (increase(warroom_dead_letters_total[5m])) >= 20
            """,
            hold_s=60,
            severity="warning",
            area="pipeline",
            summary="{{ $value | humanizePercentage }} of all events cannot be used",
            means="""
                Over 1 % of the events of five minutes, and at least 20, became dead letters: they are in no
                number.
            """,
            do="""
                Look at the reasons. invalid or malformed: a producer's release; future: a clock; late: a
                producer that sends old events. The letters are in Kafka, untouched, with topic, partition
                and offset.
            """,
            labels=ALL,
        ),
        Alert(
            "WarroomRedisDown",
            expr="warroom_redis_up == 0",
            hold_s=15,
            severity="critical",
            area="pipeline",
            summary="Worker {{ $labels.instance }} cannot write to Redis",
            means="""
                Results in Redis stand still; counting goes on, and everything is written when Redis is
                back.
            """,
            do="""
                Is Redis up, does the address still hold, is its memory full? Nothing has to be done to the
                war room.
            """,
        ),
        Alert(
            "WarroomRedisBacklog",
            expr="warroom_redis_backlog_age_seconds > 10",
            hold_s=15,
            severity="warning",
            area="pipeline",
            summary="""
                The oldest unwritten result of {{ $labels.instance }} is {{ $value | humanizeDuration }} old
            """,
            means="""
                Redis takes less than changes: leaders are still written first, others are old.
            """,
            do="""
                Look at Redis's latency and processor. If it is well, there are more merchants than one
                Redis takes: raise redis.publish_interval_ms.
            """,
        ),
        Alert(
            "WarroomResultsLate",
            expr="job:warroom_event_to_redis_seconds:p95_5m > 5",
            hold_s=60,
            severity="warning",
            area="pipeline",
            summary="""
                One event in twenty takes longer than {{ $value | humanizeDuration }} to Redis
            """,
            means="""
                Numbers are right but late: 95 of 100 events should be in Redis within a second. A replayed
                day, whose events carry old timestamps, always looks so.
            """,
            do="Follow the way: lag (input), epochs and snapshots (disk), backlog (Redis).",
            labels=ALL,
        ),
        Alert(
            "WarroomHorizonShrunk",
            expr="""
                increase(warroom_dedup_shrunk_total[15m]) >= 0.5
                or increase(warroom_forgotten_joins_total[15m]) >= 0.5
            """,
            hold_s=0,
            severity="warning",
            area="pipeline",
            summary="Worker {{ $labels.instance }} forgets what it should remember",
            means="""
                The memory for duplicates or for joins is full, so the oldest are forgotten before their
                time: a copy that comes late, or a member who joins again, may be counted twice.
            """,
            do="""
                Raise the memory for what was forgotten (engine.*_memory_mib), or start more workers; see
                which topic sends so much more than planned.
            """,
        ),
    ),
)
