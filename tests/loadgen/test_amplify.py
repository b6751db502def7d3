"""More of a recorded day in its own shape: fresh ids, whole people, times within the second."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from loadgen.amplify import Amplifier, amplified, person_of, twin_id, twin_line
from loadgen.raw_replay import Lane, RawRecording, in_order, raw_blocks
from loadgen.recording_file import SCHEMA
from tests.loadgen.console import Loadgen
from tests.loadgen.consumed import read_topic

NOON_MS = 1_576_123_200_000
PEOPLE = 4_000


def recording(per_person: int = 2) -> pl.DataFrame:
    """Every person pays and is refunded within a minute, at one of ten merchants."""
    rows: list[tuple[object, ...]] = []
    for number in range(PEOPLE):
        for step, status in enumerate(("paid", "refunded")[:per_person]):
            at_ms = NOON_MS + number * 15 + step * 20_000
            value = {"order_id": f"o{number}", "merchant_id": f"m{number % 10}", "member_id": f"u{number}",
                     "amount": 100, "status": status, "event_time": at_ms}  # fmt: skip
            key = f"o{number}".encode()
            rows.append(("orders", number % 4, 0, at_ms, key, json.dumps(value).encode(), []))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("timestamp_ms").with_columns(
        offset=pl.int_range(pl.len(), dtype=pl.Int64)
    )  # fmt: skip


def lanes(partitions: int) -> tuple[Lane, ...]:
    return (Lane("orders", "orders", partitions, "orders"),)


def sent(
    factor: float, seed: int = 0, messages: pl.DataFrame | None = None
) -> list[tuple[int, dict[str, object]]]:
    """What a recording at ``factor`` becomes: due time and order of every event, in the order of sending."""
    ordered = in_order(recording() if messages is None else messages)
    out = []
    for block in raw_blocks(RawRecording(ordered, lanes(4), Amplifier(factor, seed))):
        for m in block.messages:
            assert (m.due_ms[1:] >= m.due_ms[:-1]).all()
            assert len(m) == 0 or int(m.due_ms[-1]) < block.end_ms
            out += [(int(m.due_ms[i]), json.loads(m.value(i))) for i in range(len(m))]
    return out


@pytest.mark.parametrize("factor", [0.3, 1.0, 1.5, 2.0, 3.7])
def test_arrivals_are_multiplied_over_the_day_and_for_every_merchant(factor: float) -> None:
    events = sent(factor)
    assert len(events) == pytest.approx(2 * PEOPLE * factor, rel=0.05)
    by_merchant = Counter(str(e["merchant_id"]) for _, e in events)
    assert all(count == pytest.approx(2 * PEOPLE / 10 * factor, rel=0.15) for count in by_merchant.values())
    by_minute = Counter(due // 20_000 for due, _ in events)
    ordinary = Counter(due // 20_000 for due, _ in sent(1.0))
    assert all(by_minute[m] == pytest.approx(ordinary[m] * factor, rel=0.12) for m in ordinary)


def test_no_event_is_there_twice_under_one_id() -> None:
    ids = [(e["order_id"], e["status"]) for _, e in sent(2.5)]
    assert len(set(ids)) == len(ids)


def test_a_twin_has_all_that_the_person_did_under_ids_of_its_own() -> None:
    steps: dict[object, set[object]] = {}
    for _, event in sent(1.5):
        steps.setdefault(event["order_id"], set()).add(event["status"])
        assert str(event["member_id"])[1:] == str(event["order_id"])[1:]
    assert all(done == {"paid", "refunded"} for done in steps.values())
    assert len(steps) == pytest.approx(1.5 * PEOPLE, rel=0.05)


def test_a_twins_time_is_in_the_second_of_the_original_and_moves_with_its_sending() -> None:
    times = {(e["order_id"], e["status"]): (due, e["event_time"]) for due, e in sent(2.0)}
    moved = set()
    for (order_id, status), (due, at_ms) in times.items():
        if str(order_id).endswith("~1"):
            original_due, original = times[str(order_id)[:-2], status]
            assert int(str(at_ms)) // 1000 == int(str(original)) // 1000
            assert due - original_due == int(str(at_ms)) - int(str(original))
            moved.add(due - original_due)
    assert len(moved) > 500


def test_at_1_everything_stays_as_it_is() -> None:
    whole = sorted((int(e["event_time"]), e["order_id"]) for _, e in sent(1.0))  # type: ignore[call-overload]
    assert len(whole) == 2 * PEOPLE
    assert all("~" not in str(order_id) for _, order_id in whole)


def test_the_seed_decides_who_is_there_again() -> None:
    assert sent(1.5, seed=1) == sent(1.5, seed=1)
    twins = [{e["order_id"] for _, e in sent(1.5, seed) if "~" in str(e["order_id"])} for seed in (1, 2)]
    assert 0.3 < len(twins[0] & twins[1]) / len(twins[0]) < 0.7


def test_a_key_that_is_the_order_becomes_the_twins_and_one_that_is_the_merchant_stays() -> None:
    by_merchant = recording().with_columns(
        key=pl.Series([b"m%d" % (int(k[1:]) % 10) for k in recording()["key"].to_list()])
    )
    for messages, keyed in ((recording(), "order_id"), (by_merchant, "merchant_id")):
        for block in raw_blocks(RawRecording(in_order(messages), lanes(4), Amplifier(2.0))):
            for m in block.messages:
                for i in range(0, len(m), 50):
                    key = m.data[int(m.key_starts[i]) :][: int(m.key_lengths[i])].tobytes().decode()
                    assert key == json.loads(m.value(i))[keyed]


def test_events_packed_in_one_message_stay_together() -> None:
    lines = [json.dumps({"order_id": f"o{n}", "merchant_id": "m", "member_id": f"u{n}", "amount": 1,
                         "status": "paid", "event_time": NOON_MS}) for n in range(40)]  # fmt: skip
    packed = pl.DataFrame(
        [("orders", 0, 0, NOON_MS, None, "\n".join(lines).encode(), [])], schema=SCHEMA, orient="row"
    )
    blocks = list(raw_blocks(RawRecording(in_order(packed), lanes(1), Amplifier(1.5))))
    events = blocks[0].messages[0].events.tolist()
    assert events[0] == 40
    assert len(events) == 2
    assert 10 <= events[1] <= 30


def test_what_is_to_be_refused_is_refused_as_the_original_is() -> None:
    assert twin_id(b"", 1) == b""
    assert twin_id(b"x" * 129, 1) == b"x" * 129
    assert len(twin_id(b"x" * 128, 1)) <= 128
    assert twin_line(b"order 12 of the day, paid", 1, 500) == b"order 12 of the day, paid"


def test_a_click_is_its_visitors() -> None:
    line = b'{"event_id": "e1", "visitor_id" : "v\\"1", "action":"view", "event_time": 1500}'
    assert person_of(line) == b'v\\"1'
    assert json.loads(twin_line(line, 2, -400)) == {
        "event_id": "e1~2", "visitor_id": 'v"1~2', "action": "view", "event_time": 1100
    }  # fmt: skip


def test_rows_of_a_file_are_multiplied_in_the_same_way() -> None:
    orders = pl.DataFrame(
        {"order_id": [f"o{n}" for n in range(PEOPLE)], "member_id": [f"u{n % 1000}" for n in range(PEOPLE)],
         "event_ms": [NOON_MS + 7 * n for n in range(PEOPLE)]}
    )  # fmt: skip
    more = amplified(orders, Amplifier(1.5))
    assert len(more) == pytest.approx(1.5 * PEOPLE, rel=0.06)
    assert more["order_id"].n_unique() == len(more)
    assert more["member_id"].n_unique() == pytest.approx(1500, rel=0.06)
    assert len(amplified(orders, Amplifier(0.5))) == pytest.approx(0.5 * PEOPLE, rel=0.12)


def test_the_command_rehearses_last_years_file_at_150_per_cent(
    broker: str, tmp_path: Path, loadgen: Loadgen
) -> None:
    path, oracle = tmp_path / "rows.csv", tmp_path / "oracle.json"
    path.write_text("".join(f"{n},1,{n % 5},buy,{1_511_658_000 + n // 10}\n" for n in range(2_000)))
    done = loadgen("replay", str(path), "--format", "taobao-userbehavior", "--brokers", broker, "--max",
                   "--create-topics", "--amplify", "1.5", "--oracle", str(oracle))  # fmt: skip
    assert done.code == 0, done.err
    orders = [json.loads(m.value()) for m in read_topic(broker, "orders", 4)]
    assert len(orders) == pytest.approx(3_000, rel=0.05)
    assert json.loads(oracle.read_text())["totals"]["orders:day"] == len({o["order_id"] for o in orders})
