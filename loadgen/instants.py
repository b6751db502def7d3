"""What is right at chosen instants: the oracle asked again about the events before each of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import numpy.typing as npt

from loadgen.facts import KINDS, ClickFacts, Facts, Where
from loadgen.oracle import Answers, Asked, answer
from loadgen.stream import Block
from loadgen.truth import Truth

SomeFacts = TypeVar("SomeFacts", Facts, ClickFacts)


class Instants:
    """The truth up to the end and up to each of ``at_ms``, since the epoch, on multiples of five seconds.

    At an instant every window ends there, and counts what happened before it, whenever that arrived.
    """

    def __init__(self, at_ms: Sequence[int] = ()) -> None:
        self._whole = Truth()
        self._until = {at: Truth() for at in sorted(set(at_ms))}

    def add(self, block: Block) -> None:
        """Take a block's facts."""
        _add(self._whole, block.facts, block.click_facts)
        for at_ms, truth in self._until.items():
            some = [before(facts, at_ms) for facts in block.facts]
            _add(truth, some, [before(facts, at_ms) for facts in block.click_facts])

    def answers(self, asked: Asked) -> Answers:
        """What is right at the end, and in ``instants`` at each instant."""
        told = {
            instant_name(at_ms, asked.timezone): _at(asked, truth, at_ms)
            for at_ms, truth in self._until.items()
            if truth.newest_ms >= 0
        }
        return msgspec.structs.replace(answer(asked, self._whole), instants=told)


def _add(truth: Truth, orders: Sequence[Facts], clicks: Sequence[ClickFacts]) -> None:
    for facts in orders:
        truth.add(facts)
    for some in clicks:
        truth.add_clicks(some)


def _at(asked: Asked, truth: Truth, at_ms: int) -> Answers:
    truth.newest_ms = at_ms - 1
    # What was refused until then is not known: a late event carries no time of its own that counts.
    return msgspec.structs.replace(answer(asked, truth), events={}, dead_letters={}, duplicates={})


def before(facts: SomeFacts, at_ms: int) -> SomeFacts:
    """The facts about events before an instant; ``kinds`` as far as clicks are there at all."""
    inside = facts.event_ms < at_ms
    columns = {
        column.name: _chosen(getattr(facts, column.name), inside)
        for column in dataclasses.fields(facts)
        if column.name != "kinds"
    }
    kinds = np.zeros(len(KINDS), np.int64)
    kinds[0] = inside.sum()
    return dataclasses.replace(facts, **columns, kinds=kinds)  # type: ignore[arg-type]


def _chosen(column: Where | npt.NDArray[np.generic], inside: npt.NDArray[np.bool_]) -> object:
    if isinstance(column, Where):
        return Where(
            column.person[inside], column.channel[inside], column.category[inside], column.tier[inside]
        )
    return column[inside]


def instant_name(at_ms: int, timezone: str) -> str:
    """An instant as text with its offset."""
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(timezone)).isoformat()
