"""How messages are keyed: by order, by merchant, or not at all.

By order or without a key, orders are dealt out over the partitions evenly. By merchant, everything of a
merchant is on the partition on which a Java producer would put it: murmur2 of the key.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Final, Literal

import numpy as np

from loadgen.curves import apportion
from loadgen.draws import I64, U8, compiled
from loadgen.errors import LoadgenError
from loadgen.json_bytes import Messages
from loadgen.plan import Component, Plan, PlannedJoins
from loadgen.popularity import alias_table
from loadgen.stream import Block

Key = Literal["order", "merchant", "none"]
_SEED: Final = np.uint32(0x9747B28C)
_M: Final = np.uint32(0x5BD1E995)
_MERCHANT: Final = np.frombuffer(b'"merchant_id":"', np.uint8)


def partitions_of_ids(ids: list[str], partitions: int) -> I64:
    """The partition of each key as Kafka's own producer chooses it: (n,) from 0 to ``partitions`` - 1."""
    encoded = [text.encode() for text in ids]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    hashes = np.empty(len(ids), np.int64)
    _murmur2_all(np.frombuffer(b"".join(encoded), np.uint8), np.append(np.int64(0), ends), hashes)
    return (hashes & 0x7FFFFFFF) % partitions


@compiled
def _murmur2_all(data: U8, bounds: I64, hashes: I64) -> None:
    for index in range(len(hashes)):
        hashes[index] = murmur2(data, bounds[index], bounds[index + 1])


@compiled
def murmur2(data: U8, first: int, last: int) -> int:
    """MurmurHash2 of bytes ``first`` to ``last`` (exclusive), 32 bits unsigned, as Kafka seeds it."""
    value = np.uint32(_SEED ^ np.uint32(last - first))
    at = first
    while last - at >= 4:
        word = np.uint32(0)
        for place in range(4):
            word |= np.uint32(np.uint32(data[at + place]) << np.uint32(8 * place))
        word = np.uint32(word * _M)
        word = np.uint32(np.uint32(word ^ np.uint32(word >> np.uint32(24))) * _M)
        value = np.uint32(np.uint32(value * _M) ^ word)
        at += 4
    if at < last:
        for place in range(last - at):
            value = np.uint32(value ^ np.uint32(np.uint32(data[at + place]) << np.uint32(8 * place)))
        value = np.uint32(value * _M)
    value = np.uint32(np.uint32(value ^ np.uint32(value >> np.uint32(13))) * _M)
    return np.int64(np.uint32(value ^ np.uint32(value >> np.uint32(15))))  # type: ignore[return-value]


def keyed_plan(plan: Plan, key: Key) -> Plan:
    """The plan with each merchant's orders on its own partition if the key is the merchant; else as it is.

    The totals of every component stay; which order falls on whom is drawn anew. Raises ``LoadgenError``
    if clicks have other partitions than orders.
    """
    if key != "merchant":
        return plan
    if plan.click_partitions not in (0, plan.partitions):
        raise LoadgenError(
            f"--key merchant: the topic of clicks has {plan.click_partitions} partitions, that of orders "
            f"{plan.partitions}; a merchant's events are together only where both have as many"
        )
    home = partitions_of_ids(plan.catalogue.merchant_ids, plan.partitions)
    parts = [part for component in plan.components for part in _by_partition(plan, component, home)]
    joins = tuple(_at_home(joins, int(home[joins.row])) for joins in plan.joins)
    return dataclasses.replace(plan, components=tuple(parts), joins=joins, by_merchant=True)


def _at_home(joins: PlannedJoins, home: int) -> PlannedJoins:
    counts = np.zeros_like(joins.counts)
    counts[:, home] = joins.counts.sum(axis=1)
    return PlannedJoins(joins.row, counts, np.cumsum(counts, axis=0) - counts)


def _by_partition(plan: Plan, component: Component, home: I64) -> Iterator[Component]:
    """One component a partition that has any of its merchants."""
    homes = home[component.rows]
    weights = plan.catalogue.weights[component.rows]
    if len(component.rows) == 1:
        weights = np.ones(1, np.int64)
    by_block = component.counts.sum(axis=1)
    held = np.array([int(weights[homes == p].sum()) for p in range(plan.partitions)], np.int64)
    totals = apportion(int(by_block.sum()), held)
    for partition in np.flatnonzero(held):
        mine = homes == partition
        thresholds, aliases = alias_table(weights[mine])
        counts = np.zeros_like(component.counts)
        counts[:, partition] = apportion(int(totals[partition]), by_block)
        targets = None
        if component.targets_fen is not None:
            targets = np.zeros_like(component.targets_fen)
            targets[:, partition] = component.targets_fen.sum(axis=1)
        yield dataclasses.replace(
            component,
            rows=component.rows[mine],
            thresholds=thresholds,
            aliases=aliases,
            counts=counts,
            targets_fen=targets,
        )


def keyed_blocks(blocks: Iterable[Block], key: Key) -> Iterator[Block]:
    """The same blocks, their messages with the key that was chosen."""
    for block in blocks:
        if key == "order":
            yield block
        else:
            messages = [keyed_messages(m, key) for m in block.messages]
            yield dataclasses.replace(block, messages=messages)


def keyed_messages(messages: Messages, key: Key) -> Messages:
    """The same messages with another key: that of the first event, none where it names no merchant."""
    starts, lengths = np.zeros(len(messages), np.int64), np.zeros(len(messages), np.int64)
    if key == "merchant":
        _find_merchants(messages.data, messages.starts, messages.lengths, _MERCHANT, starts, lengths)
    return dataclasses.replace(messages, key_starts=starts, key_lengths=lengths)


@compiled
def _find_merchants(
    data: U8, starts: I64, lengths: I64, name: U8, key_starts: I64, key_lengths: I64
) -> None:  # fmt: skip
    """Where the merchant's id stands in the first line of each message; length 0 where it does not."""
    for index in range(len(starts)):
        at, end = starts[index], starts[index] + lengths[index]
        while at + len(name) < end and data[at] != 10:
            same = 0
            while same < len(name) and data[at + same] == name[same]:
                same += 1
            if same == len(name):
                first = at + same
                last = first
                while last < end and data[last] != 34 and data[last] != 10:
                    last += 1
                if last < end and data[last] == 34:
                    key_starts[index], key_lengths[index] = first, last - first
                break
            at += 1
