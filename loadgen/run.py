"""One run of a scenario: topics, baselines, sending, account, oracle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from loadgen.amplify import Amplifier
from loadgen.answer_files import write_answers
from loadgen.channels import CHANNELS
from loadgen.client import Client
from loadgen.errors import DeliveryError, LoadgenError
from loadgen.instants import Instants
from loadgen.keying import Key, keyed_blocks, keyed_plan
from loadgen.ledger import Ledger
from loadgen.names import Names
from loadgen.oracle import Answers, Asked
from loadgen.pacing import Pace
from loadgen.plan import Plan, make_plan
from loadgen.processes import Part, send_parts
from loadgen.raw_replay import RawRecording, in_order, lanes_of, raw_blocks
from loadgen.replay import make_recording, recording_blocks
from loadgen.scenario import Scenario
from loadgen.sending import Account, send_all
from loadgen.standing import Standing, standing_of
from loadgen.stream import Block, blocks
from loadgen.summary import Summary, summarise
from loadgen.topics import ready, send_baselines

Question = Callable[[Names, int], Asked]
"""What the oracle is asked about a recording, given its names and its start in ms since the epoch."""
Watcher = Callable[[Standing], None]
WATCH_EVERY_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Target:
    """Where a run sends to. ``settings`` are librdkafka's; ``partitions`` None: as the topic has."""

    settings: Mapping[str, str]
    topic_orders: str = "orders"
    topic_baselines: str = "baselines"
    topic_clicks: str = "clicks"
    """Empty: no clicks are sent."""
    partitions: int | None = None
    create_topics: bool = False

    def open_orders(self) -> int:
        """See that the orders topic is there, or make it; its partitions."""
        return ready(self.settings, self.topic_orders, self.partitions, self.create_topics)

    def open_clicks(self) -> int:
        """See that the clicks topic is there, or make it; its partitions, 0 without one."""
        if not self.topic_clicks:
            return 0
        return ready(self.settings, self.topic_clicks, self.partitions, self.create_topics)

    def topics(self, clicks: bool) -> list[str]:
        """The topics of a stream's lanes."""
        return [self.topic_orders, self.topic_clicks] if clicks else [self.topic_orders]

    def open_baselines(self) -> None:
        """See that the baselines topic is there, or make it."""
        wanted = 1 if self.create_topics else None
        ready(self.settings, self.topic_baselines, wanted, self.create_topics, compacted=True)


@dataclass(frozen=True, slots=True)
class Outputs:
    """Files that a run leaves behind."""

    oracle: Path | None = None
    summary: Path | None = None
    at_ms: tuple[int, ...] = ()
    """Instants, since the epoch, at which the oracle is asked too."""

    def check(self) -> None:
        """Raises ``LoadgenError`` if a file could not be written in the end."""
        for path in (self.oracle, self.summary):
            if path is not None and not path.parent.is_dir():
                raise LoadgenError(
                    f"{path}: the folder {path.parent} does not exist; make it or name another"
                )

    def truth(self) -> Instants | None:
        """Where the oracle gathers what it is told; None if nobody asked for it."""
        return Instants(self.at_ms) if self.oracle else None

    def write_oracle(self, answers: Answers) -> None:
        """Write the expected results. Raises ``LoadgenError`` naming the file and the reason."""
        assert self.oracle is not None
        write_answers(self.oracle, answers)


@dataclass(frozen=True, slots=True)
class Form:
    """How events become messages: ``per_message`` events in each, keyed by ``key``, from ``processes``."""

    per_message: int = 1
    key: Key = "order"
    processes: int = 1


def run_scenario(
    scenario: Scenario,
    target: Target,
    pace: Pace,
    outputs: Outputs,
    form: Form = Form(),
    watch: Watcher = lambda _: None,
) -> Summary:
    """Send a scenario and account for it. Ctrl-C stops it; the account of what was sent still comes.

    The bytes on each partition are the same whatever the number of processes. Raises ``LoadgenError`` for
    what is wrong beforehand, ``DeliveryError`` when the broker stays away.
    """
    outputs.check()
    partitions = target.open_orders()
    click_partitions = target.open_clicks() if scenario.clicks else 0
    plan = keyed_plan(make_plan(scenario, partitions, click_partitions), form.key)
    target.open_baselines()
    baselines = send_baselines(target.settings, target.topic_baselines, plan.catalogue.baselines)
    stream = keyed_blocks(blocks(plan, form.per_message), form.key)
    topics = target.topics(plan.click_partitions > 0)
    load = Load(scenario.name, stream, lambda: asked(plan), baselines, scenario.start_ms, topics)
    if form.processes == 1:
        return send_load(load, target, pace, outputs, watch)
    return _send_in_parts(load, plan, target, pace, outputs, form, watch)


def run_recording(
    orders: pl.DataFrame,
    asked_of: Question,
    target: Target,
    pace: Pace,
    outputs: Outputs,
    key: Key = "order",
    watch: Watcher = lambda _: None,
    clicks: pl.DataFrame | None = None,
) -> Summary:
    """Send recorded orders (columns of ``recorded.FIELDS``) and account for them, as ``run_scenario``.

    ``clicks`` (``recorded_clicks.CLICK_FIELDS``) too, where the target has a topic for them.
    """
    outputs.check()
    clicks = clicks if target.topic_clicks else None
    click_partitions = 0 if clicks is None else target.open_clicks()
    recording = make_recording(orders, target.open_orders(), key, clicks, click_partitions)
    question = asked_of(recording.names, recording.start_ms)
    stream = keyed_blocks(recording_blocks(recording), key)
    baselines = _send_known(question, target)
    load = Load(
        question.scenario,
        stream,
        lambda: question,
        baselines,
        recording.start_ms,
        target.topics(clicks is not None),
    )
    return send_load(load, target, pace, outputs, watch)


def run_raw(
    messages: pl.DataFrame,
    asked_of: Question,
    target: Target,
    pace: Pace,
    outputs: Outputs,
    amplifier: Amplifier,
    begins_ms: int | None = None,
    watch: Watcher = lambda _: None,
) -> Summary:
    """Send recorded messages (``recording_file.SCHEMA``) as they were and account for them.

    ``begins_ms``: their times are moved so that the first is at this one.
    """
    outputs.check()
    ordered = in_order(messages)
    first_ms = int(ordered["timestamp_ms"][0]) if len(ordered) else 0
    names = Names()
    lanes = lanes_of(
        ordered["topic"].unique().sort().to_list(), target.topic_orders, target.topic_clicks,
        lambda topic: ready(target.settings, topic, target.partitions, target.create_topics),
    )  # fmt: skip
    shift_ms = 0 if begins_ms is None else begins_ms - first_ms
    ledger = Ledger(names) if outputs.oracle else None
    recording = RawRecording(ordered, lanes, amplifier, shift_ms, ledger)
    start_ms = recording.start_ms
    question = asked_of(names, start_ms)
    load = Load(
        question.scenario, raw_blocks(recording), lambda: asked_of(names, start_ms),
        _send_known(question, target), start_ms, [lane.topic for lane in lanes],
    )  # fmt: skip
    return send_load(load, target, pace, outputs, watch)


def _send_known(question: Asked, target: Target) -> int:
    """Send the baselines that the oracle knows; how many."""
    if not question.baselines:
        return 0
    target.open_baselines()
    return send_baselines(target.settings, target.topic_baselines, question.baselines.values())


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent to which topics, by lane, and what the oracle is asked about it when all is made.

    ``start_ms``: since the epoch.
    """

    name: str
    stream: Iterator[Block]
    asked: Callable[[], Asked]
    baselines: int
    start_ms: int
    topics: list[str]

    def summary(self, standing: Standing, pace: Pace, complete: bool, processes: int = 1) -> Summary:
        """The account of this load."""
        told = summarise(self.name, standing, pace, self.baselines, complete)
        return msgspec.structs.replace(
            told, start_ms=self.start_ms, sale_open_ms=self.asked().sale_open_ms, processes=processes
        )


def send_load(load: Load, target: Target, pace: Pace, outputs: Outputs, watch: Watcher) -> Summary:
    """Send, account, and write the files that were asked for."""
    topics = load.topics
    client = Client(target.settings, topics)
    truth = outputs.truth()
    account = Account()
    complete = False
    tick = throttled(lambda: watch(standing_of(topics, client, account)))
    try:
        send_all(client, 0, watched(load.stream, truth), pace, account, tick)
        complete = client.failed == 0
    except KeyboardInterrupt:
        pass
    finally:
        client.poll(0)
        standing = standing_of(topics, client, account)
        watch(standing)
        summary = load.summary(standing, pace, complete)
        write_json(outputs.summary, summary)
        client.close()
    if truth is not None and complete:
        outputs.write_oracle(truth.answers(load.asked()))
    return summary


def _send_in_parts(
    load: Load, plan: Plan, target: Target, pace: Pace, outputs: Outputs, form: Form, watch: Watcher
) -> Summary:
    """As ``send_load``, from several processes; the oracle makes the day once more, by itself."""
    processes = min(form.processes, plan.partitions)
    part = Part(
        plan.scenario, plan.partitions, plan.click_partitions, dict(target.settings),
        load.topics, pace, form.per_message, form.key,
    )  # fmt: skip
    done = send_parts(part, processes, watch)
    summary = load.summary(done.standing, pace, done.complete, processes)
    write_json(outputs.summary, summary)
    if done.error is not None:
        raise DeliveryError(done.error)
    truth = outputs.truth()
    if truth is not None and done.complete:
        for block in load.stream:
            truth.add(block)
        outputs.write_oracle(truth.answers(load.asked()))
    return summary


def throttled(show: Callable[[], None]) -> Callable[[], None]:
    """Call ``show`` at most every ``WATCH_EVERY_S`` seconds."""
    shown = time.monotonic()

    def tick() -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown >= WATCH_EVERY_S:
            shown = now
            show()

    return tick


def watched(stream: Iterator[Block], truth: Instants | None) -> Iterator[Block]:
    """The same blocks; the oracle sees each one's facts."""
    for block in stream:
        if truth is not None:
            truth.add(block)
        yield block


def asked(plan: Plan) -> Asked:
    """What the oracle is asked about a plan."""
    scenario, catalogue = plan.scenario, plan.catalogue
    return Asked(
        scenario=scenario.name,
        merchant_ids=catalogue.merchant_ids,
        baselines={baseline.merchant_id: baseline for baseline in catalogue.baselines},
        sale_open_ms=scenario.sale_open_ms,
        timezone=scenario.timezone,
        featured=tuple(merchant.merchant_id for merchant in scenario.featured),
        channels=CHANNELS,
        categories=tuple(catalogue.categories),
    )


def write_json(path: Path | None, record: msgspec.Struct) -> None:
    """Write a record as JSON; None: nothing. Raises ``LoadgenError`` naming the file and the reason."""
    if path is None:
        return
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
    except OSError as error:
        raise LoadgenError(f"{path}: cannot be written: {error.strerror}") from error
