"""Replies to a transaction, read in one go."""

from __future__ import annotations

import pytest
from redis.exceptions import ResponseError

from operators.redis_link import Outcome, parse_outcome

QUEUED = b"+OK\r\n+QUEUED\r\n+QUEUED\r\n"
DONE = QUEUED + b"*2\r\n:1\r\n:0\r\n+OK\r\n$2\r\n17\r\n"
ABORTED = QUEUED + b"*-1\r\n+OK\r\n$2\r\n18\r\n"
EMPTIED = QUEUED + b"*2\r\n:1\r\n:0\r\n+OK\r\n$-1\r\n"
FULL = b"+OK\r\n-OOM command not allowed\r\n+QUEUED\r\n-EXECABORT discarded\r\n+OK\r\n$2\r\n17\r\n"


def outcome(reply: bytes) -> Outcome | None:
    return parse_outcome(reply.split(b"\r\n"), 2)


def test_a_transaction_that_took_effect() -> None:
    assert outcome(DONE) == Outcome(written=True, fence=17)


def test_a_transaction_that_another_run_has_stopped() -> None:
    assert outcome(ABORTED) == Outcome(written=False, fence=18)


def test_a_fence_that_is_gone() -> None:
    assert outcome(EMPTIED) == Outcome(written=True, fence=None)


@pytest.mark.parametrize("reply", [DONE, ABORTED, EMPTIED])
def test_a_part_of_a_reply_is_no_reply(reply: bytes) -> None:
    assert [outcome(reply[:end]) for end in range(len(reply))] == [None] * len(reply)


def test_a_refused_command_is_told_in_redis_words() -> None:
    with pytest.raises(ResponseError, match="OOM command not allowed"):
        outcome(FULL)


def test_an_error_inside_the_transaction_is_told() -> None:
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        outcome(QUEUED + b"*2\r\n-WRONGTYPE not a hash\r\n:0\r\n+OK\r\n$2\r\n17\r\n")
