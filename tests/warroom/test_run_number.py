"""Run numbers grow, whatever happens to Redis, and are the same on all machines of a cluster."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import redis

from warroom.errors import WarroomError
from warroom.hosts import Membership
from warroom.preflight import Interrupted
from warroom.run_number import RunNumbers
from warroom.settings import RedisSettings

ADDRESSES = ("a:1", "b:1", "c:1")


def numbers_at(url: str, memory: Path | None = None, index: int | None = None) -> RunNumbers:
    membership = None if index is None else Membership(ADDRESSES, (index,))
    return RunNumbers(RedisSettings(url=url), lambda: False, memory, membership)


def test_every_run_gets_a_greater_number(redis_url: str) -> None:
    assert [numbers_at(redis_url).take() for _ in range(3)] == [1, 2, 3]


def test_numbers_go_on_after_redis_was_emptied(redis_url: str, tmp_path: Path) -> None:
    memory = tmp_path / "run"
    assert [numbers_at(redis_url, memory).take() for _ in range(3)] == [1, 2, 3]
    redis.Redis.from_url(redis_url).flushall()
    assert numbers_at(redis_url, memory).take() == 4


def test_all_machines_of_a_cluster_get_the_same_number(redis_url: str) -> None:
    for run in (1, 2):
        taken: dict[int, int] = {}

        def take(index: int, into: dict[int, int] = taken) -> None:
            into[index] = numbers_at(redis_url, index=index).take()

        threads = [threading.Thread(target=take, args=(index,)) for index in (2, 0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert taken == {0: run, 1: run, 2: run}


def test_machine_that_waits_for_the_others_can_be_stopped(redis_url: str) -> None:
    asked = iter([False] * 20)
    alone = RunNumbers(
        RedisSettings(url=redis_url), lambda: next(asked, True), membership=Membership(ADDRESSES, (1,))
    )
    with pytest.raises(Interrupted):
        alone.take()


def test_who_was_replaced_gets_no_further_number_and_leaves_the_fence_to_its_successor(
    redis_url: str,
) -> None:
    replaced, successor = numbers_at(redis_url), numbers_at(redis_url)
    assert (replaced.take(), successor.take()) == (1, 2)
    with pytest.raises(
        WarroomError, match=r"^run 2 writes to .* now; this is run 1, which has been replaced"
    ):
        replaced.take()
    assert redis.Redis.from_url(redis_url).get("warroom:fence") == b"2"
    assert successor.take() == 3
