"""The sink in a dataflow: items reach Redis through the partition of their key."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.errors import BytewaxRuntimeError
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSource, run_main

from operators.batches import BoardRows, MerchantRows
from operators.redis_errors import FencedError
from operators.redis_publisher import RedisPublisher
from operators.redis_run import Run
from operators.redis_sink import BOARD_PART, RedisSink, shard_part
from tests.operators.redis_rig import WALL_MS, Reader, board, rows, settings

Item = tuple[str, MerchantRows | BoardRows]
PART_OF = {"left": shard_part(0), "right": shard_part(1), "all": BOARD_PART}


def publisher(url: str, number: int = 1) -> RedisPublisher:
    return RedisPublisher(settings(url), Run(number, f"run-{number}", WALL_MS))


def run(flow: Dataflow, state: Path | None = None) -> None:
    recovery = None if state is None else RecoveryConfig(str(state))  # type: ignore[no-untyped-call]
    run_main(flow, epoch_interval=timedelta(0), recovery_config=recovery)  # type: ignore[no-untyped-call]


def flow_of(items: list[Item | TestingSource.ABORT], sink: RedisSink) -> Dataflow:
    flow = Dataflow("results")
    results = op.input("items", flow, TestingSource(items))
    op.output("redis", results, sink)
    return flow


def test_all_items_stand_in_redis_when_the_input_has_ended(redis_url: str, reader: Reader) -> None:
    items: list[Item | TestingSource.ABORT] = [
        ("left", rows("m1", shard=0, value=1)),
        ("right", rows("m2", shard=1, value=2)),
        ("all", board(8.0)),
        ("left", rows("m1", shard=0, value=3)),
    ]
    run(flow_of(items, RedisSink(publisher(redis_url), PART_OF)))
    assert (reader.value("m1"), reader.value("m2")) == ("3", "2")
    assert reader.hash("rollup:total:all")["gmv:1h"] == "8"


def test_each_key_goes_to_the_partition_that_it_was_given(redis_url: str) -> None:
    sink = RedisSink(publisher(redis_url), PART_OF)
    in_order = sorted(sink.list_parts())  # how Bytewax numbers them
    assert {key: in_order[sink.part_fn(key)] for key in PART_OF} == PART_OF


def test_a_worker_may_offer_only_the_partitions_of_its_own_shards(redis_url: str) -> None:
    sink = RedisSink(publisher(redis_url), PART_OF, local_parts=["shard-01"])
    assert sink.list_parts() == ["shard-01"]
    assert sink.part_fn("right") == 2


def test_after_a_resume_the_shards_are_asked_for_everything(redis_url: str, tmp_path: Path) -> None:
    init_db_dir(tmp_path, 1)  # type: ignore[no-untyped-call]
    items: list[Item | TestingSource.ABORT] = [
        ("left", rows("m1", shard=0)),
        TestingSource.ABORT(),
        ("left", rows("m1", shard=0, offset=2)),
    ]
    run(flow_of(items, RedisSink(publisher(redis_url), PART_OF)), tmp_path)
    resumed = publisher(redis_url, number=2)
    run(flow_of(items, RedisSink(resumed, PART_OF)), tmp_path)
    assert [resumed.needs_everything(shard) for shard in (0, 1)] == [True, False]


class SlowPublisher(RedisPublisher):
    """Needs some looks until all is written."""

    def __init__(self, url: str, looks: int) -> None:
        super().__init__(settings(url), Run(1, "run-1", WALL_MS))
        self.looks = looks

    def flush(self, limit_s: float, away_limit_s: float | None = None) -> bool:
        self.looks -= 1
        return super().flush(limit_s, away_limit_s) and self.looks < 0


def test_when_all_input_is_read_all_is_written_however_long_it_takes(redis_url: str) -> None:
    slow = SlowPublisher(redis_url, looks=5)
    run(flow_of([("left", rows("m1", shard=0))], RedisSink(slow, PART_OF)))
    assert slow.looks < 0


def test_a_process_that_is_to_stop_leaves_what_takes_long_to_the_next_run(redis_url: str) -> None:
    slow = SlowPublisher(redis_url, looks=5)
    run(flow_of([("left", rows("m1", shard=0))], RedisSink(slow, PART_OF, stopping=lambda: True)))
    assert slow.looks == 4


def test_a_run_that_has_been_replaced_ends_its_flow(redis_url: str, reader: Reader) -> None:
    after = publisher(redis_url, number=2)
    after.start()
    with pytest.raises(BytewaxRuntimeError) as stopped:
        run(flow_of([("left", rows("m1", shard=0))], RedisSink(publisher(redis_url), PART_OF)))
    after.abandon()
    assert isinstance(stopped.value.__cause__, FencedError)
    assert reader.value("m1") is None
