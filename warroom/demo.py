"""``warroom demo``: the night of 12 December 2019 in a minute, and whether every number is right."""

from __future__ import annotations

import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.live import Live

from loadgen.oracle import Answers
from loadgen.summary import Summary
from loadgen.verify import differences
from warroom.dead_letters import count_dead_letters
from warroom.demo_check import Verdict, verdict_of, verdict_text
from warroom.demo_people import read_people
from warroom.demo_stage import DRAIN_SECONDS, FEATURED, Pace, Stage
from warroom.errors import WarroomError
from warroom.metrics_reader import read_vitals
from warroom.phrases import Language
from warroom.reader import ResultsReader
from warroom.report import Asked, BattleReport, battle_report
from warroom.report_text import moment, report_text
from warroom.settings import milliseconds
from warroom.table import View
from warroom.top import Screen
from warroom.waiting import wait_until

REFRESH_SECONDS: Final = 0.5
PROGRESS_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Show:
    """How the demo is shown. ``live``: a screen that is drawn anew, else progress lines."""

    live: bool
    language: Language
    json_file: Path | None
    keep: bool


def play(pace: Pace, show: Show) -> bool:
    """Play the night; True if every number agrees with the oracle's. Raises ``WarroomError``."""
    began_s = time.monotonic()
    say = Console(highlight=False, soft_wrap=True).print
    with Stage(pace, show.keep) as stage:
        reader = ResultsReader(stage.settings.redis.url, stage.settings.redis.prefix)
        try:
            _watch(stage, reader, show)
            answers = msgspec.json.decode(stage.oracle_file.read_bytes(), type=Answers)
            duplicates = _drain(stage)
            report = _report(stage, reader)
            verdict = _verdict(stage, report, answers, duplicates)
        finally:
            reader.close()
        say(report_text(report, show.language))
        say(verdict_text(verdict, show.language), end="")
        say(f"{time.monotonic() - began_s:.0f} s")
        if show.json_file is not None:
            show.json_file.write_bytes(as_json(report, verdict))
        if show.keep:
            say(_how_to_look_further(stage))
    if not show.keep:
        shutil.rmtree(stage.directory, ignore_errors=True)
    return verdict.agrees


def as_json(report: BattleReport, verdict: Verdict) -> bytes:
    """The report and the checks for programs."""
    checks = [{**msgspec.to_builtins(c), "agrees": c.agrees} for c in verdict.checks]
    told: dict[str, Any] = {
        "agrees": verdict.agrees,
        "report": report,
        "checks": checks,
        "differences": verdict.differences,
    }
    return msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n"


def _watch(stage: Stage, reader: ResultsReader, show: Show) -> None:
    """Show how it goes until the load has been sent."""
    screen = Screen(stage.settings, reader, View())
    if show.live:
        console = Console()
        with Live(console=console, screen=True, auto_refresh=False) as live:
            _until_sent(
                stage, REFRESH_SECONDS, lambda: live.update(screen.frame(console.height), refresh=True)
            )
    else:
        _until_sent(stage, PROGRESS_SECONDS, lambda: print(_progress(stage, reader), flush=True))


def _until_sent(stage: Stage, every_seconds: float, show: Callable[[], None]) -> None:
    while True:
        stage.raise_if_failed()
        show()
        if wait_until(lambda: stage.load.poll() is not None, every_seconds):
            stage.raise_if_failed()
            return


def _progress(stage: Stage, reader: ResultsReader) -> str:
    clock, totals = reader.clock(), reader.totals()
    if clock.event_time_ms is None:
        return "starting: no events yet"
    best = reader.merchants([i for i, _ in reader.top("sales_multiple", "1h", 1)])
    leader = next((m.result for m in best if m is not None), None)
    text = moment(clock.event_time_ms, stage.settings.engine.timezone, "%m-%d %H:%M")
    text += f"  {int(totals.get('orders:sale', 0)):>9,} orders"
    text += f"  {int(totals.get('views:sale', 0)):>9,} views  {clock.merchants:,} merchants"
    if leader is not None:
        text += f"  leading: {leader.name} {leader.multiples.get('sales_multiple:1h', 0.0):.1f} × in an hour"
    return text


def _drain(stage: Stage) -> Mapping[str, int]:
    """Wait until every message is counted, then have the war room finish; its duplicates by topic."""
    summary = msgspec.json.decode(stage.summary_file.read_bytes(), type=Summary)
    metrics = stage.settings.metrics
    wanted = Counter[str]()
    for partition, count in summary.messages.items():
        wanted[partition.rpartition("/")[0]] += count
    workers = stage.settings.engine.workers

    def all_counted() -> bool:
        stage.raise_if_failed()
        read = read_vitals(metrics.host, metrics.port, workers).messages
        return all(read[topic] >= count for topic, count in wanted.items())

    if not wait_until(all_counted, DRAIN_SECONDS):
        total = wanted.total()
        raise WarroomError(f"not all of {total:,} messages were read within {DRAIN_SECONDS:g} s of the last")
    duplicates = read_vitals(metrics.host, metrics.port, workers).duplicates
    stage.war_room.send_signal(signal.SIGUSR1)
    if not wait_until(lambda: stage.war_room.poll() is not None, DRAIN_SECONDS):
        raise WarroomError(f"the war room did not finish within {DRAIN_SECONDS:g} s")
    stage.raise_if_failed()
    return duplicates


def _report(stage: Stage, reader: ResultsReader) -> BattleReport:
    settings = stage.settings
    opens = settings.sale.opens
    return battle_report(
        reader,
        Asked(
            watched=FEATURED,
            sale_opens_ms=None if opens is None else milliseconds(opens),
            timezone=settings.engine.timezone,
        ),
    )


def _verdict(stage: Stage, report: BattleReport, answers: Answers, duplicates: Mapping[str, int]) -> Verdict:
    kafka, redis = stage.settings.kafka, stage.settings.redis
    return verdict_of(
        report,
        answers,
        count_dead_letters(kafka.brokers, kafka.dead_letters),
        duplicates,
        read_people(redis.url, redis.prefix, FEATURED),
        differences(redis.url, redis.prefix, answers),
    )


def _how_to_look_further(stage: Stage) -> str:
    return (
        f"\nKafka at {stage.broker.address} and Redis at {stage.redis.address} go on. To look further:\n"
        f"  warroom top --config {stage.config_file}\n"
        f"  warroom report --config {stage.config_file}\n"
        f"To end them: kill {stage.broker.pid} {stage.redis.pid}"
    )
