"""Every rule for a bad click, and the scanner of clicks held against the full decoder."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.bytes_kernels import Interner, stable_hash
from operators.click_scan import ACTIONS, OTHER_SOURCE, SOURCES, ClickColumns
from operators.decode import ACCEPTED, ClickDecoder, Decoded, raw_batch, read_click
from operators.json_scan import PERSON_SEED
from schemas.events import FUTURE_TOLERANCE_MS, MAX_ID_BYTES
from tests.operators.decoding import accepted
from tests.operators.night import DAY_START_MS, click, encoded


def decode(*values: bytes | None, stamp_ms: int = DAY_START_MS) -> tuple[Decoded[ClickColumns], Interner]:
    merchants = Interner(2, 8)
    return ClickDecoder(merchants).decode(raw_batch("clicks", 3, 100, list(values), stamp_ms)), merchants


GOOD = encoded(click(1, merchant="before"))
AFTER = encoded(click(2, merchant="after"))

BAD: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"surprise", "malformed"),
    "cut off": (GOOD[:-1], "malformed"),
    "an array": (b"[1]", "invalid"),
    "an unknown action": (encoded(click(1, action="stare")), "invalid"),
    "an action as a number": (encoded(click(1, action=1)), "invalid"),
    "a source as a number": (encoded(click(1, source=7)), "invalid"),
    "an empty visitor id": (encoded(click(1, visitor_id="")), "invalid"),
    "an empty event id": (encoded(click(1, event_id="")), "invalid"),
    "an empty merchant id": (encoded(click(1, merchant="")), "invalid"),
    "a visitor id of 10 KB": (encoded(click(1, visitor_id="x" * 10_000)), "invalid"),
    "an id of 129 bytes in 43 characters": (encoded(click(1, visitor_id="樂" * 43)), "invalid"),
    "time as text": (encoded(click(1, event_time="now")), "invalid"),
    "time below 0": (encoded(click(1, event_time=-1)), "invalid"),
    "city tier as text": (encoded(click(1, city_tier="one")), "invalid"),
    **{
        f"without {name}": (encoded({k: v for k, v in click(1).items() if k != name}), "invalid")
        for name in click(1)
    },
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_click_goes_aside_and_its_neighbours_in_message_and_batch_count(name: str) -> None:
    value, reason = BAD[name]
    decoded, merchants = decode(GOOD + b"\n" + value + b"\n" + AFTER, AFTER)
    rows = np.flatnonzero(decoded.columns.outcome == ACCEPTED)
    assert [merchants.text(int(decoded.columns.merchant[r])) for r in rows] == ["before", "after", "after"]
    (letter,) = decoded.dead_letters
    assert (letter.reason, letter.value) == (reason, value)
    assert (letter.topic, letter.partition, letter.offset, letter.line) == ("clicks", 3, 100, 1)


def test_a_click_more_than_five_minutes_ahead_of_its_record_is_refused_as_future() -> None:
    beyond = encoded(click(2, at_ms=DAY_START_MS + FUTURE_TOLERANCE_MS + 1))
    decoded, _ = decode(GOOD, beyond)
    assert [(x.reason, x.value) for x in decoded.dead_letters] == [("future", beyond)]


@pytest.mark.parametrize("source", [*SOURCES[:-1], "other", "", "searching", "member_pull", "搜索", None])
def test_a_source_is_told_by_its_name_and_an_unknown_one_is_other(source: str | None) -> None:
    decoded, _ = decode(encoded(click(1, source=source)), json.dumps(click(1, source=source)).encode())
    expected = SOURCES.index(source) if source in SOURCES else OTHER_SOURCE
    assert decoded.columns.source.tolist() == [expected, expected]


@pytest.mark.parametrize(
    "fields",
    [
        {"merchant": "外婆家", "visitor_id": "訪客"},
        {"visitor_id": "a" * MAX_ID_BYTES},
        {"visitor_id": '"quoted" \\ and \n broken'},
        {"channel": None, "category": None, "city_tier": None, "source": None},
        {"channel": "口碑", "category": "餐飲", "city_tier": -2, "source": "qr_code"},
        {"unknown": [1, {"deep": "er"}], "weight": 1.5e-3, "flag": False, "nothing": None},
    ],
)
@pytest.mark.parametrize("ascii_only", [False, True])
def test_whatever_json_allows_in_a_good_click_is_read(fields: dict[str, Any], ascii_only: bool) -> None:
    event = click(1, **fields)
    decoded, merchants = decode(json.dumps(event, ensure_ascii=ascii_only).encode())
    assert decoded.dead_letters == []
    assert merchants.text(int(decoded.columns.merchant[0])) == event["merchant_id"]
    assert int(decoded.columns.person[0]) == stable_hash(event["visitor_id"], PERSON_SEED)


JSON_VALUES: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False)
)
JSON_VALUES |= st.text(max_size=8) | st.just([1]) | st.sampled_from([*SOURCES, *ACTIONS])


@st.composite
def click_lines(draw: st.DrawFn) -> bytes:
    """Clicks, mostly good, with fields replaced, dropped and added, and now and then a mangled byte."""
    event = click(draw(st.integers(0, 99)), action=draw(st.sampled_from(ACTIONS)))
    names = st.sampled_from([*event, "source", "source", "channel", "category", "city_tier", "x"])
    for name in draw(st.lists(names, max_size=2)):
        event[name] = draw(JSON_VALUES)
    for name in draw(st.lists(names, max_size=1)):
        event.pop(name, None)
    line = bytearray(json.dumps(event, ensure_ascii=draw(st.booleans())).encode())
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(line) - 1))
        byte = draw(st.sampled_from(list(b'{}[]",:\\ \t\r-+.eE0123456789\x00\x1f\x7f\x80\xc3\xe6\xf0\xff')))
        if draw(st.booleans()):
            line[at] = byte
        else:
            line.insert(at, byte)
    return bytes(line)


@settings(max_examples=800, deadline=None)
@given(st.lists(click_lines(), min_size=1, max_size=8))
def test_scanner_and_full_decoder_agree_on_every_click(lines: list[bytes]) -> None:
    decoded, merchants = decode(*lines)
    columns = decoded.columns
    for row, expected in accepted(decoded, read_click):
        source = expected.source
        assert merchants.text(int(columns.merchant[row])) == expected.merchant_id
        assert ACTIONS[int(columns.action[row])] == expected.action
        assert int(columns.source[row]) == (SOURCES.index(source) if source in SOURCES else OTHER_SOURCE)
        assert int(columns.event_time_ms[row]) == expected.event_time_ms
        assert int(columns.person[row]) == stable_hash(expected.visitor_id, PERSON_SEED)
        assert int(columns.key[row]) == stable_hash(expected.event_id)
