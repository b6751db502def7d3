"""When the README's pictures may be taken."""

from __future__ import annotations

import pytest

from tests.web.pictures import NIGHTS, caught_up

COUNTED = {"clock": {"event_time_ms": 100_000, "watermark_ms": 94_000}, "health": {"lag_messages": 0}}


def test_night_that_is_counted_may_be_taken() -> None:
    assert caught_up(COUNTED)


@pytest.mark.parametrize(
    "behind",
    [
        {"health": {"lag_messages": 1}},
        {"health": {"lag_messages": None}},
        {"clock": {"event_time_ms": 14_400_000, "watermark_ms": 94_000}},
        {"clock": {"event_time_ms": 100_000}},
        {"clock": {}},
    ],
)
def test_night_that_is_behind_may_not(behind: dict[str, dict[str, int | None]]) -> None:
    assert not caught_up(COUNTED | behind)


def test_every_picture_waits_for_a_remembered_figure() -> None:
    assert {picture.figure[1] for night in NIGHTS for picture in night.pictures} == {57.0, 22.002398}
