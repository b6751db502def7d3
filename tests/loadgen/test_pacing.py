"""How paced sending hands messages over: never before they are due, in steps of a few milliseconds."""

from __future__ import annotations

import numpy as np
import pytest

from loadgen.client import Client
from loadgen.draws import I64
from loadgen.json_bytes import Messages
from loadgen.pacing import Pace
from loadgen.sending import HANDED_OVER_LATE_US, STEP_MS, Account, send_all
from loadgen.stream import Block

COUNT = 1_000


class ClockworkClient(Client):
    """A client whose clock moves only while it waits, and whose broker answers nothing in between."""

    def __init__(self) -> None:
        self.clock_us = 0
        self.handed_over: list[tuple[int, int]] = []
        """When, and up to which message."""

    def settle(self) -> None:
        """The broker is ready."""

    def now_us(self) -> int:
        """Microseconds that were waited."""
        return self.clock_us

    def send(self, lane: int, messages: Messages, due_us: I64, first: int, last: int) -> int:
        """Take them all."""
        self.handed_over.append((self.clock_us, last))
        return last - first

    def pause(self, milliseconds: int) -> None:
        """Wait it out."""
        self.clock_us += 1000 * milliseconds

    def flush(self, timeout_s: float, tick: object = None) -> None:
        """Nothing is under way."""


class StalledClient(ClockworkClient):
    """A client that is held up once, for ``STALL_MS``."""

    stalls = 1

    def pause(self, milliseconds: int) -> None:
        """Wait, and longer than asked the first time."""
        super().pause(milliseconds + STALL_MS * self.stalls)
        self.stalls = 0


class CrowdedClient(ClockworkClient):
    """A client that has room for ``ROOM`` messages at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False
        self.waits_ms: list[int] = []
        """How long the broker was waited for, each time that there was no room."""

    def send(self, lane: int, messages: Messages, due_us: I64, first: int, last: int) -> int:
        """Take what there is room for."""
        self.is_full = last - first > ROOM
        return super().send(lane, messages, due_us, first, min(last, first + ROOM))

    def poll(self, timeout_ms: int) -> None:
        """Have the broker take all."""
        if self.is_full:
            self.waits_ms.append(timeout_ms)


STALL_MS = 300
ROOM = 10


def a_block() -> Block:
    """A message a millisecond, of two events and three bytes."""
    none = np.zeros(COUNT, np.int64)
    messages = Messages(
        partition=0, data=np.zeros(COUNT, np.uint8), starts=none, lengths=none + 3, key_starts=none,
        key_lengths=none, timestamps_ms=none, due_ms=np.arange(COUNT), events=np.full(COUNT, 2, np.int32),
    )  # fmt: skip
    return Block([messages], [], COUNT)


def test_paced_messages_are_handed_over_in_steps_none_before_it_is_due_and_none_later_than_a_step() -> None:
    client, account = ClockworkClient(), Account()
    send_all(client, 0, [a_block()], Pace(speed=1.0), account)
    first = 0
    for at_us, last in client.handed_over:
        assert 1000 * (last - 1) <= at_us, "before it was due"
        assert at_us - 1000 * first <= 1000 * (STEP_MS + 1), "later than a step"
        first = last
    assert first == account.messages == COUNT
    assert len(client.handed_over) <= COUNT / STEP_MS + 1
    assert (account.events, account.bytes, account.handed_over_late) == (2 * COUNT, 3 * COUNT, 0)


def test_messages_that_are_handed_over_late_are_counted() -> None:
    client, account = StalledClient(), Account()
    send_all(client, 0, [a_block()], Pace(speed=1.0), account)
    (at_us, last), *_ = [done for done in client.handed_over if done[0] > 1000 * STALL_MS]
    assert account.worst_delay_us == at_us - 1000, "the second message waited for all of the stall"
    due_us = 1000 * np.arange(1, last)
    assert account.handed_over_late == np.count_nonzero(due_us < at_us - HANDED_OVER_LATE_US) > 150
    assert account.messages == COUNT


@pytest.mark.parametrize("pace", [Pace(), Pace(speed=1e6)], ids=["unpaced", "all due at once"])
def test_a_sender_whose_queue_is_full_waits_for_the_broker_and_does_not_ask_in_a_circle(pace: Pace) -> None:
    client, account = CrowdedClient(), Account()
    send_all(client, 0, [a_block()], pace, account)
    assert account.messages == COUNT
    assert client.waits_ms
    assert min(client.waits_ms) > 0
