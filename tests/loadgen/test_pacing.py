"""How paced sending hands messages over: never before they are due, in steps of a few milliseconds."""

from __future__ import annotations

import numpy as np

from loadgen.client import Client
from loadgen.draws import I64
from loadgen.json_bytes import Messages
from loadgen.pacing import Pace
from loadgen.sending import STEP_MS, Account, send_all
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


def a_block() -> Block:
    """A message a millisecond."""
    none = np.zeros(COUNT, np.int64)
    messages = Messages(
        partition=0, data=np.zeros(COUNT, np.uint8), starts=none, lengths=none, key_starts=none,
        key_lengths=none, timestamps_ms=none, due_ms=np.arange(COUNT), events=np.ones(COUNT, np.int32),
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
