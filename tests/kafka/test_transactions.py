"""Orders that a producer takes back are not counted."""

from __future__ import annotations

from tests.kafka.messages import order, producer, send
from tests.kafka.stage import Stage


def test_orders_of_an_aborted_transaction_are_not_counted(stage: Stage) -> None:
    stage.create(partitions=1)
    client = producer(stage.kafka.address, transactional_id=stage.orders)
    client.init_transactions(20)
    client.begin_transaction()
    send(client, stage.orders, [(None, order(n)) for n in range(30)])
    client.commit_transaction(20)
    client.begin_transaction()
    send(client, stage.orders, [(None, order(n)) for n in range(100, 150)])
    client.abort_transaction(20)
    assert stage.ran(stage.war_room("--bounded")) == 0, stage.said()
    assert stage.shown("m1", "orders:day") == "30"


def test_the_position_goes_behind_the_control_record_of_a_transaction(stage: Stage) -> None:
    stage.create(partitions=1)
    client = producer(stage.kafka.address, transactional_id=stage.orders)
    client.init_transactions(20)
    client.begin_transaction()
    send(client, stage.orders, [(None, order(n)) for n in range(30)])
    client.abort_transaction(20)
    assert stage.ran(stage.war_room("--bounded")) == 0, stage.said()
    assert stage.ends()[f"{stage.orders}/0"] == 31
    assert stage.committed()[f"{stage.orders}/0"] == 31
