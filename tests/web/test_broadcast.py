"""One read an update for all viewers: who came late or was slow gets everything, the others what changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dashboards.web.broadcast import Broadcast, Sections
from dashboards.web.curves import new_points
from dashboards.web.problems import Problem


class Source:
    """A wall that is what a test says it is."""

    def __init__(self) -> None:
        self.sections: Sections = {"totals": {"gmv": 1}, "clock": {"now": 0}}
        self.reads = 0

    async def take(self) -> Sections:
        self.reads += 1
        return dict(self.sections)


def broadcast(source: Source, viewers_at_most: int = 100) -> Broadcast:
    """One that reads only when it is told to."""
    return Broadcast(source.take, lambda name, before, after: after, 60_000, viewers_at_most, "boot")


def parsed(event: bytes) -> tuple[str, Sections]:
    fields = dict(line.split(": ", 1) for line in event.decode().strip().split("\n"))
    return fields["event"], json.loads(fields["data"])


async def watching(told: Broadcast) -> AsyncIterator[bytes]:
    """A viewer who has had the greeting and the first event."""
    events = await told.stream()
    assert await anext(events) == b"retry: 1000\n\n"
    first = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    if not first.done():  # nobody watched before: it waits for news
        await told._read()
    assert parsed(await first)[0] == "whole"
    return events


def test_update_has_only_the_sections_that_changed() -> None:
    async def scene() -> None:
        source = Source()
        told = broadcast(source)
        events = await watching(told)
        source.sections = {"totals": {"gmv": 1}, "clock": {"now": 1}}
        await told._read()
        assert parsed(await anext(events)) == ("update", {"clock": {"now": 1}})

    asyncio.run(scene())


def test_viewer_that_missed_an_update_gets_everything() -> None:
    async def scene() -> None:
        source = Source()
        told = broadcast(source)
        events = await watching(told)
        for now in (1, 2):
            source.sections = {"totals": {"gmv": now}, "clock": {"now": now}}
            await told._read()
        assert parsed(await anext(events)) == ("whole", {"totals": {"gmv": 2}, "clock": {"now": 2}})

    asyncio.run(scene())


def test_every_viewer_is_given_the_very_same_bytes() -> None:
    async def scene() -> None:
        source = Source()
        told = broadcast(source)
        viewers = [await watching(told) for _ in range(3)]
        source.sections = {"totals": {"gmv": 9}, "clock": {"now": 1}}
        await told._read()
        for viewer in viewers:
            assert await anext(viewer) is told._update

    asyncio.run(scene())


def test_answers_of_one_refresh_share_one_read() -> None:
    async def scene() -> None:
        source = Source()
        told = broadcast(source)
        answers = await asyncio.gather(*(told.sections() for _ in range(50)))
        assert source.reads == 1
        assert all(a == source.sections for a in answers)

    asyncio.run(scene())


def test_one_viewer_too_many_is_refused() -> None:
    async def scene() -> None:
        told = broadcast(Source(), viewers_at_most=1)
        events = await watching(told)
        with pytest.raises(Problem, match="at most 1 may watch at once"):
            await told.stream()
        await events.aclose()  # type: ignore[attr-defined]
        assert told.viewers == 0
        await told.stream()

    asyncio.run(scene())


def test_streams_end_when_told_to() -> None:
    async def scene() -> None:
        told = broadcast(Source())
        events = await watching(told)
        rest = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        told.end()
        with pytest.raises(StopAsyncIteration):
            await rest

    asyncio.run(scene())


def curve(points: dict[int, Any], generation: int = 1) -> dict[str, Any]:
    return {"day_start_ms": 0, "day_end_ms": 9, "generation": generation, "ordinary": None, "points": points}


def test_curve_is_told_by_its_new_points() -> None:
    told = new_points(curve({1: [5], 2: [6]}), curve({1: [5], 2: [7], 3: [8]}))
    assert (told["points"], told["more"]) == ({2: [7], 3: [8]}, True)


@pytest.mark.parametrize("before", [{}, curve({1: [5]}, generation=0)])
def test_curve_of_another_run_is_told_whole(before: dict[str, Any]) -> None:
    after = curve({1: [5], 2: [6]})
    assert new_points(before, after) == after
