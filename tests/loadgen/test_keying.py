"""Messages keyed by order, by merchant, or not: where they go and what key they carry."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from loadgen import scenario as scenarios
from loadgen.keying import keyed_blocks, keyed_messages, keyed_plan, murmur2, partitions_of_ids
from loadgen.stream import Block, blocks
from tests.loadgen.console import Loadgen
from tests.loadgen.consumed import read_topic
from tests.loadgen.days import plan_of, small_day

JAVA = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107,
}
"""From the tests of Apache Kafka's own producer (UtilsTest.testMurmur2)."""


@pytest.mark.parametrize("text", JAVA)
def test_the_hash_of_a_key_is_that_of_kafkas_java_producer(text: str) -> None:
    data = np.frombuffer(text.encode(), np.uint8)
    assert murmur2(data, 0, len(data)) == JAVA[text] % 2**32


def merchant_of(line: bytes) -> str | None:
    try:
        return str(json.loads(line)["merchant_id"])
    except (ValueError, KeyError, TypeError):
        return None


def keyed_day(per_message: int = 1) -> list[Block]:
    plan = keyed_plan(plan_of(small_day(20_000, hours=2)), "merchant")
    return list(keyed_blocks(blocks(plan, per_message), "merchant"))


def test_by_merchant_everything_of_a_merchant_is_on_its_partition() -> None:
    seen: dict[str, int] = {}
    for block in keyed_day():
        for messages in block.messages:
            for index in range(len(messages)):
                for line in messages.value(index).split(b"\n"):
                    merchant = merchant_of(line)
                    if merchant is not None:
                        assert seen.setdefault(merchant, messages.partition) == messages.partition
    ids = list(seen)
    assert len(ids) > 500
    assert [seen[i] for i in ids] == partitions_of_ids(ids, 4).tolist()


@pytest.mark.parametrize("per_message", [1, 5])
def test_by_merchant_the_key_is_the_merchant_of_the_first_event(per_message: int) -> None:
    for block in keyed_day(per_message):
        for m in block.messages:
            for i in range(len(m)):
                key = m.data[int(m.key_starts[i]) :][: int(m.key_lengths[i])].tobytes().decode()
                first = m.value(i).split(b"\n")[0]
                if merchant_of(first) is not None:
                    assert key == merchant_of(first)
                elif b'"merchant_id"' not in first:
                    assert key == ""


def test_by_merchant_there_are_as_many_orders_and_the_same_gmv_of_featured_merchants() -> None:
    plan = plan_of(small_day(20_000, hours=3))
    keyed = keyed_plan(plan, "merchant")
    assert keyed.orders == plan.orders
    planned = [sum(int(c.targets_fen.sum()) for c in p.components if c.targets_fen is not None)
               for p in (plan, keyed)]  # fmt: skip
    assert planned[0] == planned[1] > 0


def test_without_a_key_no_message_has_one() -> None:
    block = next(blocks(plan_of(small_day(5_000, hours=1))))
    assert not keyed_messages(block.messages[0], "none").key_lengths.any()


def test_a_scenario_of_three_merchants_leaves_partitions_empty_and_loses_nothing() -> None:
    few = msgspec.structs.replace(
        scenarios.load("ordinary-day"),
        orders=3_000,
        popularity=scenarios.Popularity(merchants=3),
    )
    plan = keyed_plan(plan_of(few, 8), "merchant")
    assert plan.orders == 3_000
    assert sum(len(f.row) for b in blocks(plan) for f in b.facts) >= 3_000


def test_the_command_sends_by_merchant(broker: str, tmp_path: Path, loadgen: Loadgen) -> None:
    done = loadgen("run", "double12-2019", "--brokers", broker, "--create-topics", "--orders", "5000",
                   "--hours", "1", "--max", "--key", "merchant", "--compression", "zstd")  # fmt: skip
    assert done.code == 0, done.err
    keys = {(m.key().decode(), m.partition()) for m in read_topic(broker, "orders", 4) if m.key()}
    assert len({key for key, _ in keys}) == len(keys) > 100
