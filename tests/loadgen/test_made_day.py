"""What a made day is like, read back from the bytes that are sent."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from functools import cache

import msgspec
import numpy as np
import pytest

from loadgen.facts import KINDS
from loadgen.stream import blocks
from schemas.events import FUTURE_TOLERANCE_MS, Order, overlong
from schemas.windows import HOUR_MS, LATENESS_MS, MINUTE_MS
from tests.loadgen.days import Sent, all_facts, all_sent, parsed, plan_of, small_day

MIDNIGHT_MS = 1_576_080_000_000  # 12 December 2019 in Shanghai
GOLDEN = "fc0f9fea8c54bb7776e2b3acbb99bd4cd5aa25ff7c31308b8d358d8e382e194e"
FINGERPRINT = """
import hashlib
from tests.loadgen.days import plan_of, small_day
from loadgen.stream import blocks
digest = hashlib.sha256()
for block in blocks(plan_of(small_day(5_000, hours=3))):
    for messages in block.messages:
        digest.update(messages.data.tobytes())
        digest.update(messages.timestamps_ms.tobytes())
print(digest.hexdigest())
"""


@cache
def day() -> list[Sent]:
    return all_sent(plan_of(small_day(60_000)))


def good(sent: Sent) -> Order | None:
    """The order, unless it is broken, invalid, late or from the future."""
    order = parsed(sent.line)
    if order is None or overlong(order.order_id):
        return None
    if order.event_time_ms > sent.timestamp_ms + FUTURE_TOLERANCE_MS:
        return None
    return order if order.event_time_ms >= MIDNIGHT_MS else None


def test_a_seed_gives_the_bytes_it_always_gave() -> None:
    digest = hashlib.sha256()
    for block in blocks(plan_of(small_day(5_000, hours=3))):
        for messages in block.messages:
            digest.update(messages.data.tobytes())
            digest.update(messages.timestamps_ms.tobytes())
    assert digest.hexdigest() == GOLDEN


@pytest.mark.parametrize("timezone", ["America/St_Johns", "Pacific/Kiritimati"])
def test_the_machines_time_zone_and_hash_seed_change_no_byte(timezone: str) -> None:
    environment = {**os.environ, "TZ": timezone, "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", FINGERPRINT], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == GOLDEN


def test_another_seed_gives_another_day() -> None:
    one = all_sent(plan_of(small_day(5_000, hours=1, seed=1)))
    two = all_sent(plan_of(small_day(5_000, hours=1, seed=2)))
    assert {s.line for s in one}.isdisjoint({s.line for s in two} - {b"order 12 of the day, paid"})


def test_one_partition_made_alone_has_the_bytes_it_has_among_the_others() -> None:
    plan = plan_of(small_day(5_000, hours=2))
    together = [m.data.tobytes() for block in blocks(plan) for m in block.messages if m.partition == 2]
    alone = [m.data.tobytes() for block in blocks(plan, only=frozenset({2})) for m in block.messages]
    assert together == alone


def test_paid_orders_are_exactly_as_many_as_asked_for_and_all_different() -> None:
    paid = [o.order_id for o in map(good, day()) if o is not None and o.status == "paid"]
    assert len(set(paid)) == 60_000


def test_bytes_say_what_the_oracle_was_told() -> None:
    plan = plan_of(small_day(8_000, hours=2))
    told: Counter[tuple[object, ...]] = Counter()
    for facts in all_facts(plan):
        columns = (facts.row, facts.event_ms, facts.code, facts.amount_fen, facts.quantity)
        told.update(
            (
                plan.catalogue.merchant_ids[row],
                int(ms),
                ("paid", "refunded", "cancelled", "created")[code],
                int(fen),
                int(n),
            )
            for row, ms, code, fen, n in zip(*columns, strict=True)
        )
    seen: set[tuple[str, str]] = set()
    read: Counter[tuple[object, ...]] = Counter()
    for order in filter(None, map(good, all_sent(plan))):
        if (order.order_id, order.status) not in seen:
            seen.add((order.order_id, order.status))
            read[
                (order.merchant_id, order.event_time_ms, order.status, order.amount_fen, order.quantity)
            ] += 1
    assert read == told


def test_kinds_are_counted_as_they_are_sent() -> None:
    plan = plan_of(small_day(60_000))
    kinds = dict(zip(KINDS, np.sum([f.kinds for f in all_facts(plan)], axis=0).tolist(), strict=True))
    lines = day()
    orders = [parsed(s.line) for s in lines]
    assert kinds["malformed"] == sum(not_json(s.line) for s in lines) > 0
    future = [
        o
        for o, s in zip(orders, lines, strict=True)
        if o and o.event_time_ms > s.timestamp_ms + FUTURE_TOLERANCE_MS
    ]
    assert kinds["future"] == len(future) > 0
    late = [o for o in orders if o and o.event_time_ms < plan.scenario.start_ms]
    assert kinds["late"] == len(late) > 0
    invalid = [
        (o is None and not not_json(s.line)) or (o is not None and overlong(o.order_id))
        for o, s in zip(orders, lines, strict=True)
    ]
    assert kinds["invalid"] == sum(invalid) > 0
    assert sum(kinds.values()) == len(lines)


def not_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except msgspec.DecodeError:
        return True
    return False


def test_an_order_alone_in_its_message_is_about_215_bytes() -> None:
    lengths = [len(s.line) for s in day() if good(s)]
    assert 210 <= sum(lengths) / len(lengths) <= 220


def test_no_event_is_more_than_the_lateness_behind_its_partition_except_copies_and_bad_ones() -> None:
    newest = [0] * 4
    seen: set[tuple[str, str]] = set()
    worst = 0
    for sent in day():
        order = good(sent)
        if order is not None and (order.order_id, order.status) not in seen:
            seen.add((order.order_id, order.status))
            worst = max(worst, newest[sent.partition] - order.event_time_ms)
            newest[sent.partition] = max(newest[sent.partition], order.event_time_ms)
    assert 0 < worst <= LATENESS_MS


def test_a_copy_comes_later_in_the_same_partition_within_two_minutes_with_the_same_bytes() -> None:
    first: dict[tuple[str, str], Sent] = {}
    copies = 0
    for sent in day():
        order = good(sent)
        if order is None:
            continue
        original = first.setdefault((order.order_id, order.status), sent)
        if original is not sent:
            copies += 1
            assert (sent.line, sent.partition) == (original.line, original.partition)
            assert 0 <= sent.due_ms - original.due_ms <= 3 * MINUTE_MS
    assert copies == pytest.approx(0.01 * 60_000, rel=0.2)


def test_late_events_are_sixty_hours_old_and_sent_from_noon_on() -> None:
    late = [(o, s) for s in day() if (o := parsed(s.line)) and o.event_time_ms < MIDNIGHT_MS]
    assert late
    assert all(s.due_ms >= 12 * HOUR_MS for _, s in late)
    assert all(o.event_time_ms <= MIDNIGHT_MS + s.due_ms - 60 * HOUR_MS for o, s in late)


def test_kafka_timestamp_of_a_lone_good_event_is_its_event_time() -> None:
    alone = Counter((s.partition, s.message) for s in day())
    lone = [(good(s), s) for s in day() if alone[(s.partition, s.message)] == 1]
    assert all(o.event_time_ms == s.timestamp_ms for o, s in lone if o is not None)


def test_a_bad_event_shares_a_message_with_good_ones() -> None:
    messages: dict[tuple[int, int], list[bool]] = {}
    for sent in day():
        messages.setdefault((sent.partition, sent.message), []).append(good(sent) is not None)
    assert any(True in goods and False in goods for goods in messages.values())


def test_every_partition_has_events_until_the_last_minute_of_the_day() -> None:
    last = [max(s.due_ms for s in day() if s.partition == p) for p in range(4)]
    assert all(ms >= 24 * HOUR_MS - MINUTE_MS for ms in last)


def test_messages_are_sent_in_the_order_of_their_due_times() -> None:
    for partition in range(4):
        due = [s.due_ms for s in day() if s.partition == partition]
        assert due == sorted(due)


def test_events_per_message_packs_every_message_but_the_last_of_a_block() -> None:
    sizes = Counter(
        (s.partition, s.message) for s in all_sent(plan_of(small_day(5_000, hours=1)), per_message=10)
    )
    last = dict(sorted(sizes))
    assert {size for (partition, message), size in sizes.items() if message != last[partition]} == {10}
