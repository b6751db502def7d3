"""The text between two values of an event, known again."""

from __future__ import annotations

import numpy as np
import pytest

from operators.batches import READ_AHEAD_BYTES
from operators.known_keys import LONGEST, UNKNOWN, field_table, known_key, next_field, no_keys, remember_key

FIELDS = field_table("one", "two", "three", "four")
BEFORE, OTHER, FIELD = 1, 2, 3


def padded(text: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.frombuffer(text + bytes(READ_AHEAD_BYTES), np.uint8).copy()


def knowing(*texts: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Keys that have seen texts behind ``BEFORE``; their fields are ``FIELD``, ``FIELD + 1`` and so on."""
    keys = no_keys(FIELDS)
    for number, text in enumerate(texts):
        remember_key(keys, BEFORE, padded(b"9" + text + b"7"), 1, 1 + len(text), FIELD + number)
    return keys


@pytest.mark.parametrize(
    "text", [b",", b',"amount":', b' , "amount" : ', b"x" * 8, b"x" * 16, b"x" * LONGEST]
)
def test_a_text_that_stood_there_before_is_known_and_tells_where_the_value_begins(text: bytes) -> None:
    keys = knowing(text)
    assert known_key(keys, BEFORE, padded(b"123" + text + b"456"), 3) == (FIELD, 3 + len(text))


@pytest.mark.parametrize("length", [1, 7, 8, 9, 15, 16, 17, LONGEST])
def test_a_text_that_differs_in_any_byte_is_unknown(length: int) -> None:
    text = bytes(range(65, 65 + length))
    keys = knowing(text)
    for place in range(length):
        other = bytearray(text)
        other[place] ^= 0x20
        assert known_key(keys, BEFORE, padded(bytes(other)), 0)[0] == UNKNOWN


def test_what_stands_behind_another_field_is_unknown() -> None:
    keys = knowing(b',"amount":')
    assert known_key(keys, OTHER, padded(b',"amount":'), 0)[0] == UNKNOWN


def test_nothing_is_known_at_first_not_even_no_text() -> None:
    assert known_key(no_keys(FIELDS), BEFORE, padded(b""), 0)[0] == UNKNOWN


def test_of_the_texts_behind_a_field_the_two_latest_are_known() -> None:
    texts = b',"a":', b',"b":', b',"c":'
    keys = knowing(*texts)
    fields = [known_key(keys, BEFORE, padded(text + b"1"), 0)[0] for text in texts]
    assert fields == [UNKNOWN, FIELD + 1, FIELD + 2]


def test_a_longer_text_than_is_compared_is_read_each_time() -> None:
    text = b"x" * (LONGEST + 1)
    assert known_key(knowing(text), BEFORE, padded(text), 0)[0] == UNKNOWN


@pytest.mark.parametrize(
    "name", ["merchant_id", "event_time", "status", "merchant_ie", "merchant", "statu", "x" * 40]
)
def test_a_field_is_known_by_its_whole_name_and_the_same_when_it_comes_again(name: str) -> None:
    fields = field_table("merchant_id", "event_time", "status")
    expected = ["merchant_id", "event_time", "status", name].index(name)
    keys = no_keys(fields)
    text = b',"' + name.encode() + b'": 1'
    for _ in range(2):
        assert next_field(keys, fields, 0, padded(text), 0) == (expected, len(text) - 1)


def test_the_first_field_follows_a_brace_and_the_others_a_comma() -> None:
    fields = field_table("one")
    begin = len(fields) + 1
    assert next_field(no_keys(fields), fields, begin, padded(b'{"one":1'), 0) == (0, 7)
    assert next_field(no_keys(fields), fields, begin, padded(b',"one":1'), 0)[1] < 0
    assert next_field(no_keys(fields), fields, 0, padded(b'{"one":1'), 0)[1] < 0
