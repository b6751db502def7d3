"""One run of a scenario: topics, baselines, sending, account, oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import polars as pl

from loadgen.channels import CHANNELS
from loadgen.client import Client
from loadgen.errors import LoadgenError
from loadgen.oracle import Asked, answer
from loadgen.pacing import Pace
from loadgen.plan import Plan, make_plan
from loadgen.replay import Recording, make_recording, recording_blocks
from loadgen.scenario import Scenario
from loadgen.sending import Account, send_all
from loadgen.stream import Block, blocks
from loadgen.summary import Summary, summarise
from loadgen.topics import ready, send_baselines
from loadgen.truth import Truth

Watcher = Callable[[Client, Account, Block | None], None]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a run sends to. ``settings`` are librdkafka's; ``partitions`` None: as the topic has."""

    settings: Mapping[str, str]
    topic_orders: str = "orders"
    topic_baselines: str = "baselines"
    partitions: int | None = None
    create_topics: bool = False

    def open_orders(self) -> int:
        """See that the orders topic is there, or make it; its partitions."""
        return ready(self.settings, self.topic_orders, self.partitions, self.create_topics)

    def open_baselines(self) -> None:
        """See that the baselines topic is there, or make it."""
        wanted = 1 if self.create_topics else None
        ready(self.settings, self.topic_baselines, wanted, self.create_topics, compacted=True)


@dataclass(frozen=True, slots=True)
class Outputs:
    """Files that a run leaves behind."""

    oracle: Path | None = None
    summary: Path | None = None

    def check(self) -> None:
        """Raises ``LoadgenError`` if a file could not be written in the end."""
        for path in (self.oracle, self.summary):
            if path is not None and not path.parent.is_dir():
                raise LoadgenError(
                    f"{path}: the folder {path.parent} does not exist; make it or name another"
                )


def run_scenario(
    scenario: Scenario,
    target: Target,
    pace: Pace,
    outputs: Outputs,
    per_message: int = 1,
    watch: Watcher = lambda *_: None,
) -> Summary:
    """Send a scenario and account for it. Ctrl-C stops it; the account of what was sent still comes.

    Raises ``LoadgenError`` for what is wrong beforehand, ``DeliveryError`` when the broker stays away.
    """
    outputs.check()
    plan = make_plan(scenario, target.open_orders())
    target.open_baselines()
    baselines = send_baselines(target.settings, target.topic_baselines, plan.catalogue.baselines)
    load = Load(scenario.name, blocks(plan, per_message), asked(plan), baselines)
    return send_load(load, target, pace, outputs, watch)


def run_recording(
    orders: pl.DataFrame,
    asked_of: Callable[[Recording], Asked],
    target: Target,
    pace: Pace,
    outputs: Outputs,
    watch: Watcher = lambda *_: None,
) -> Summary:
    """Send recorded orders (columns of ``recorded.FIELDS``) and account for them, as ``run_scenario``."""
    outputs.check()
    recording = make_recording(orders, target.open_orders())
    question = asked_of(recording)
    load = Load(question.scenario, recording_blocks(recording), question, 0)
    return send_load(load, target, pace, outputs, watch)


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent, and what the oracle is asked about it."""

    name: str
    stream: Iterator[Block]
    asked: Asked
    baselines: int


def send_load(load: Load, target: Target, pace: Pace, outputs: Outputs, watch: Watcher) -> Summary:
    """Send, account, and write the files that were asked for."""
    client = Client(target.settings, [target.topic_orders])
    truth = Truth() if outputs.oracle else None
    account = Account()
    complete = False
    try:
        stream = watched(load.stream, truth)
        send_all(client, 0, stream, pace, account, lambda block: watch(client, account, block))
        complete = client.failed == 0
    except KeyboardInterrupt:
        pass
    finally:
        client.poll(0)
        topics = [target.topic_orders]
        summary = summarise(load.name, topics, client, account, pace, load.baselines, complete)
        write_json(outputs.summary, summary)
        client.close()
    if truth is not None and complete:
        write_json(outputs.oracle, answer(load.asked, truth))
    return summary


def watched(stream: Iterator[Block], truth: Truth | None) -> Iterator[Block]:
    """The same blocks; the oracle sees each one's facts."""
    for block in stream:
        if truth is not None:
            for facts in block.facts:
                truth.add(facts)
            for clicks in block.click_facts:
                truth.add_clicks(clicks)
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
