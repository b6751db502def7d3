"""Every rule for bad input, and the scanner held against the full decoder."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.bytes_kernels import Interner, stable_hash
from operators.decode import ACCEPTED, Decoded, OrderDecoder, raw_batch, read_order
from operators.dimensions import NAMES_HELD, OTHER_NAME, Dimensions, tier_of
from operators.order_scan import STATUSES, OrderColumns
from schemas.events import FUTURE_TOLERANCE_MS, MAX_AMOUNT_FEN, MAX_ID_BYTES, MAX_QUANTITY
from schemas.rollups import OTHER, UNKNOWN
from tests.operators.decoding import accepted
from tests.operators.night import DAY_START_MS, encoded, order


def decode(
    *values: bytes | None, stamp_ms: int = DAY_START_MS, dimensions: Dimensions | None = None
) -> tuple[Decoded[OrderColumns], Interner]:
    merchants = Interner(2, 8)
    decoder = OrderDecoder(merchants, dimensions)
    return decoder.decode(raw_batch("orders", 3, 100, list(values), stamp_ms)), merchants


def accepted_ids(*values: bytes | None) -> list[str]:
    """Merchants of the accepted events, in order."""
    decoded, merchants = decode(*values)
    rows = np.flatnonzero(decoded.columns.outcome == ACCEPTED)
    return [merchants.text(int(decoded.columns.merchant[row])) for row in rows]


GOOD = encoded(order(1, merchant="before"))
AFTER = encoded(order(2, merchant="after"))

BAD: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"surprise", "malformed"),
    "cut off": (GOOD[:-1], "malformed"),
    "a comma too many": (GOOD[:-1] + b",}", "malformed"),
    "two values on a line": (GOOD + GOOD, "malformed"),
    "broken UTF-8 in an id": (GOOD.replace(b"before", b"bef\xc3re"), "malformed"),
    "an array": (b"[1]", "invalid"),
    "null": (b"null", "invalid"),
    "amount below 0": (encoded(order(1, amount=-1)), "invalid"),
    "amount with a fraction": (encoded(order(1, amount=1.5)), "invalid"),
    "amount as text": (encoded(order(1, amount="100")), "invalid"),
    "amount beyond the greatest": (encoded(order(1, amount=MAX_AMOUNT_FEN + 1)), "invalid"),
    "amount of 30 digits": (encoded(order(1, amount=10**30)), "invalid"),
    "quantity 0": (encoded(order(1, quantity=0)), "invalid"),
    "quantity beyond the greatest": (encoded(order(1, quantity=MAX_QUANTITY + 1)), "invalid"),
    "an empty merchant id": (encoded(order(1, merchant="")), "invalid"),
    "an empty order id": (encoded(order(1, order_id="")), "invalid"),
    "an empty member id": (encoded(order(1, member_id="")), "invalid"),
    "an id of 129 bytes": (encoded(order(1, member_id="x" * 129)), "invalid"),
    "an id of 129 bytes in 43 characters": (encoded(order(1, merchant="樂" * 43)), "invalid"),
    "an unknown status": (encoded(order(1, status="lost")), "invalid"),
    "time as text": (encoded(order(1, event_time="now")), "invalid"),
    "time below 0": (encoded(order(1, event_time=-1)), "invalid"),
    "channel as a number": (encoded(order(1, channel=7)), "invalid"),
    "city tier as text": (encoded(order(1, city_tier="one")), "invalid"),
    "first_order as a number": (encoded(order(1, first_order=1)), "invalid"),
    **{
        f"without {name}": (encoded({k: v for k, v in order(1).items() if k != name}), "invalid")
        for name in ("order_id", "merchant_id", "member_id", "amount", "status", "event_time")
    },
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_event_goes_aside_and_its_neighbours_in_message_and_batch_count(name: str) -> None:
    value, reason = BAD[name]
    decoded, merchants = decode(GOOD + b"\n" + value + b"\n" + AFTER, AFTER)
    rows = np.flatnonzero(decoded.columns.outcome == ACCEPTED)
    assert [merchants.text(int(decoded.columns.merchant[r])) for r in rows] == ["before", "after", "after"]
    (letter,) = decoded.dead_letters
    assert (letter.reason, letter.value) == (reason, value)
    assert (letter.topic, letter.partition, letter.offset, letter.line) == ("orders", 3, 100, 1)


def test_a_message_without_a_value_is_malformed() -> None:
    decoded, _ = decode(None, GOOD)
    assert [(x.reason, x.value, x.offset) for x in decoded.dead_letters] == [("malformed", None, 100)]


@pytest.mark.parametrize("value", [b"", b" \n\t\r\n"])
def test_a_message_without_any_event_is_malformed_and_kept_whole(value: bytes) -> None:
    decoded, _ = decode(value, GOOD)
    assert [(x.reason, x.value) for x in decoded.dead_letters] == [("malformed", value)]


def test_a_lone_bad_event_keeps_every_byte_of_its_message() -> None:
    decoded, _ = decode(b' {"a":1} \r\n')
    assert [x.value for x in decoded.dead_letters] == [b' {"a":1} \r\n']


def test_blank_lines_between_events_are_no_events() -> None:
    assert accepted_ids(b"\n" + GOOD + b"\r\n\n  \n" + AFTER + b"\n") == ["before", "after"]


def test_an_event_five_minutes_ahead_of_its_record_counts_and_one_millisecond_more_does_not() -> None:
    at_the_edge = encoded(order(1, merchant="edge", at_ms=DAY_START_MS + FUTURE_TOLERANCE_MS))
    beyond = encoded(order(2, merchant="beyond", at_ms=DAY_START_MS + FUTURE_TOLERANCE_MS + 1))
    decoded, _ = decode(at_the_edge, beyond, GOOD)
    assert [(x.reason, x.value) for x in decoded.dead_letters] == [("future", beyond)]
    assert decoded.columns.outcome.tolist() == [0, 2, 0]


def test_a_record_without_a_timestamp_is_not_judged_as_future() -> None:
    decoded, _ = decode(encoded(order(1, at_ms=DAY_START_MS * 2)), stamp_ms=-1)
    assert decoded.dead_letters == []


@pytest.mark.parametrize(
    "fields",
    [
        {"merchant": "外婆家"},
        {"merchant": "a" * MAX_ID_BYTES},
        {"merchant": '"quoted" \\ and \n broken'},
        {"merchant": "🧧" * 32},
        {"channel": None, "category": None, "city_tier": None, "first_order": None, "item_id": None},
        {"channel": "口碑", "category": "餐飲", "city_tier": -2, "first_order": True, "item_id": "i"},
        {"unknown": [1, {"deep": "er"}], "weight": 1.5e-3, "flag": False, "nothing": None, "text": "“”"},
        {"amount": 0},
        {"amount": MAX_AMOUNT_FEN, "quantity": MAX_QUANTITY},
    ],
)
@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("indent", [None, " \t"])
def test_whatever_json_allows_in_a_good_order_is_read(
    fields: dict[str, Any], ascii_only: bool, indent: str | None
) -> None:
    event = order(1, **fields)
    text = json.dumps(event, ensure_ascii=ascii_only)
    if indent:
        text = indent + text.replace('", "', '" ,' + indent + '"') + indent
    decoded, merchants = decode(text.encode())
    assert decoded.dead_letters == []
    row = decoded.columns
    assert merchants.text(int(row.merchant[0])) == event["merchant_id"]
    assert (int(row.amount_fen[0]), int(row.quantity[0])) == (event["amount"], event["quantity"])


def shown_name(name: str | None) -> str:
    """The name under which a value is counted."""
    return OTHER if name and len(name.encode()) > MAX_ID_BYTES else name or UNKNOWN


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@st.composite
def order_lines(draw: st.DrawFn) -> bytes:
    """Orders, mostly good, in one layout or another, with fields replaced, dropped and added, and now and
    then a mangled byte."""
    event = order(draw(st.integers(0, 99)), status=draw(st.sampled_from(STATUSES)))
    names = st.sampled_from([*event, "channel", "category", "city_tier", "item_id", "first_order", "x"])
    for name in draw(st.lists(names, max_size=2)):
        event[name] = draw(JSON_VALUES)
    for name in draw(st.lists(names, max_size=1)):
        event.pop(name, None)
    if draw(st.booleans()):
        event = dict(draw(st.permutations(list(event.items()))))
    marks = draw(st.sampled_from([(", ", ": "), (",", ":"), (" ,\t ", "  :\t")]))
    line = bytearray(json.dumps(event, ensure_ascii=draw(st.booleans()), separators=marks).encode())
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(line) - 1))
        mangle = draw(st.sampled_from(["change", "drop", "add"]))
        byte = draw(st.sampled_from(list(b'{}[]",:\\ \t\r-+.eE0123456789\x00\x1f\x7f\x80\xc3\xe6\xf0\xff')))
        if mangle == "change":
            line[at] = byte
        elif mangle == "drop":
            del line[at]
        else:
            line.insert(at, byte)
    return bytes(line)


@settings(max_examples=1500, deadline=None)
@given(st.lists(order_lines(), min_size=1, max_size=8))
def test_scanner_and_full_decoder_agree_on_every_line(lines: list[bytes]) -> None:
    dimensions = Dimensions()
    decoded, merchants = decode(*lines, dimensions=dimensions)
    columns = decoded.columns
    for row, expected in accepted(decoded, read_order):
        status = STATUSES.index(expected.status)
        assert merchants.text(int(columns.merchant[row])) == expected.merchant_id
        assert int(columns.amount_fen[row]) == expected.amount_fen
        assert int(columns.quantity[row]) == expected.quantity
        assert int(columns.status[row]) == status
        assert int(columns.tier[row]) == tier_of(expected.city_tier)
        channel, category = int(columns.channel[row]), int(columns.category[row])
        assert dimensions.channels.texts[channel] == shown_name(expected.channel)
        assert dimensions.categories.texts[category] == shown_name(expected.category)
        assert int(columns.event_time_ms[row]) == expected.event_time_ms
        assert int(columns.key[row]) == stable_hash(expected.order_id, status + 1)


def test_a_million_distinct_channels_take_no_more_room_than_a_thousand() -> None:
    dimensions = Dimensions()
    decoder = OrderDecoder(Interner(), dimensions)
    held = sum(column.nbytes for column in dimensions.channels.table)
    for first in range(0, 1_000_000, 50_000):
        values: list[bytes | None] = [
            GOOD[:-1] + b',"channel":"channel-%d"}' % n for n in range(first, first + 50_000)
        ]
        columns = decoder.decode(raw_batch("orders", 0, first, values, DAY_START_MS)).columns
    assert set(columns.channel[:50_000].tolist()) == {OTHER_NAME}
    assert len(dimensions.channels.texts) == NAMES_HELD
    assert sum(column.nbytes for column in dimensions.channels.table) == held


def test_a_channel_that_is_too_long_for_a_key_is_other() -> None:
    decoded, _ = decode(encoded(order(1, channel="x" * 10_000)), encoded(order(2, channel="x" * 128)))
    assert (decoded.columns.channel[0] == OTHER_NAME, decoded.columns.channel[1] > OTHER_NAME) == (True, True)


def test_hashes_are_pinned_because_they_decide_where_state_lives() -> None:
    assert [stable_hash(t) for t in ("", "m1", "merchant", "a longer merchant id")] == PINNED


PINNED = [4122059526912585059, 4921903965625221791, 8829459696589898406, 821806936582611298]
