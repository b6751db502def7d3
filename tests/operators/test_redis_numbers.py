"""Numbers in Redis: decimal text, as Python's exact rounding would write it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from operators.redis_numbers import MOST_BYTES, put_decimal, put_int

untimed = settings(deadline=None)  # the first example compiles


def bulk_text(out: np.ndarray, end: int) -> str:
    head, text, rest = out[:end].tobytes().split(b"\r\n")
    assert rest == b""
    assert head == b"$%d" % len(text)
    return text.decode()


def decimal_text(value: float) -> str:
    out = np.zeros(MOST_BYTES, np.uint8)
    return bulk_text(out, put_decimal(out, 0, value))


def int_text(value: int) -> str:
    out = np.zeros(MOST_BYTES, np.uint8)
    return bulk_text(out, put_int(out, 0, value))


@untimed
@given(st.integers(-(2**63) + 1, 2**63 - 1))
@example(0)
@example(2**63 - 1)
def test_whole_numbers_are_written_in_full(value: int) -> None:
    assert int_text(value) == str(value)


@untimed
@given(st.floats(0, 4e9))
@example(0.0000005)
@example(1.0000005)
@example(2.0000015)
@example(0.5)
@example(57.0)
def test_decimals_are_rounded_to_six_places_like_python_rounds(value: float) -> None:
    assert float(decimal_text(value)) == round(value, 6)


@untimed
@given(st.integers(0, 10**9), st.sampled_from([2_000_000, 64, 128, 1_000_000, 200_000]))
def test_ties_of_a_division_are_rounded_like_python_rounds(gmv: int, baseline: int) -> None:
    value = gmv / baseline + 5e-7
    assert float(decimal_text(value)) == round(value, 6)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (57.0, "57"),
        (2.7, "2.7"),
        (1 / 3, "0.333333"),
        (0.0, "0"),
        (-0.25, "-0.25"),
        (-1e-9, "0"),
        (1e-6, "0.000001"),
    ],
)
def test_decimals_have_no_zeros_at_the_end(value: float, text: str) -> None:
    assert decimal_text(value) == text


@untimed
@given(st.floats(9e12, 1e308))
@example(9000000000000.5)
@example(9.999999999999999e15)
@example(1e308)
def test_enormous_numbers_keep_their_size(value: float) -> None:
    assert math.isclose(float(decimal_text(value)), value, rel_tol=1e-14)
