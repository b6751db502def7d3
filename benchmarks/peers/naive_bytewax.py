"""Bytewax as its guide shows it: built-in Kafka source, ``key_on``, ``fold_window``. BROKERS TOPIC."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main

from benchmarks.peers.report import Stopwatch

Order = dict[str, Any]
watch = Stopwatch()


def parse(message: KafkaSourceMessage[Any, Any] | KafkaSinkMessage[Any, Any]) -> Order:
    """A message's order."""
    watch.event()
    order: Order = json.loads(message.value)
    return order


def event_time(order: Order) -> datetime:
    """When it happened."""
    return datetime.fromtimestamp(order["event_time"] / 1000, UTC)


def add(sums: list[int], order: Order) -> list[int]:
    """Count and sum."""
    sums[0] += 1
    sums[1] += order["amount"]
    return sums


def merge(one: list[int], other: list[int]) -> list[int]:
    """Two windows' sums as one."""
    return [one[0] + other[0], one[1] + other[1]]


class Counting(DynamicSink[tuple[str, tuple[int, list[int]]]]):
    """Takes results and adds up their counts."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Counting:
        """One for the only worker."""
        return _Counting()


class _Counting(StatelessSinkPartition[tuple[str, tuple[int, list[int]]]]):
    def write_batch(self, items: list[tuple[str, tuple[int, list[int]]]]) -> None:
        watch.counted += sum(sums[0] for _, (_, sums) in items)


def main() -> None:
    """Read the topic to its end."""
    brokers, topic = sys.argv[1:3]
    flow = Dataflow("naive")
    messages = op.input("orders", flow, KafkaSource([brokers], [topic], tail=False, batch_size=1000))
    orders = op.map("parse", messages, parse)  # type: ignore[arg-type]
    by_merchant = op.key_on("merchant", orders, lambda order: str(order["merchant_id"]))
    windows = win.fold_window(
        "minute",
        by_merchant,
        win.EventClock(ts_getter=event_time, wait_for_system_duration=timedelta(seconds=5)),
        win.TumblingWindower(length=timedelta(minutes=1), align_to=datetime(2019, 1, 1, tzinfo=UTC)),
        builder=lambda: [0, 0],
        folder=add,
        merger=merge,
    )
    op.output("results", windows.down, Counting())
    run_main(flow)  # type: ignore[no-untyped-call]
    watch.print_report()


if __name__ == "__main__":
    main()
