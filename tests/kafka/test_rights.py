"""Rights on topics (StandardAuthorizer): what the war room may not read or write ends it in one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from tests.kafka.apache_kafka import ApacheKafka
from tests.kafka.messages import order, producer, send
from tests.kafka.stage import Stage
from tests.kafka.test_refusals import LOGIN
from warroom.services import EmbeddedRedis

AUTHORIZER = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    # Whoever comes without a login: the brokers themselves, and the tests that prepare topics and rights.
    "super.users": "User:ANONYMOUS",
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    with ApacheKafka(tmp_path_factory.mktemp("guarded") / "node", settings=AUTHORIZER) as broker:
        yield broker


@pytest.fixture
def closed(guarded: ApacheKafka, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A stage whose topics exist and on which the user ``warroom`` has no rights yet."""
    name = request.node.name.removeprefix("test_")[:60]
    with EmbeddedRedis() as redis, Stage(guarded, redis.url, tmp_path, name) as stage:
        stage.create(partitions=1)
        yield stage


def allow(stage: Stage, **rights: AclOperation) -> None:
    """Rights of the user: the name of a topic of the stage (or ``group``) to what it may do there."""
    bindings = []
    for what, operation in rights.items():
        kind = ResourceType.GROUP if what == "group" else ResourceType.TOPIC
        where = (kind, getattr(stage, what), ResourcePatternType.LITERAL)
        bindings.append(AclBinding(*where, "User:warroom", "*", operation, AclPermissionType.ALLOW))
    admin = AdminClient({"bootstrap.servers": stage.kafka.address})
    for made in admin.create_acls(bindings).values():
        made.result()


def run(stage: Stage) -> int:
    room = stage.war_room(
        "--bounded", brokers=stage.kafka.sasl_address, **LOGIN, KAFKA__CLIENT__SASL_PASSWORD="right"
    )
    return stage.ran(room)


def last_line(stage: Stage) -> str:
    assert "Traceback" not in stage.said()
    return stage.said().strip().splitlines()[-1]


READ, WRITE, DESCRIBE = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE


def test_topics_that_may_not_even_be_seen_are_not_there(closed: Stage) -> None:
    assert run(closed) == 2
    assert f"has no topic {closed.orders}" in last_line(closed)


def test_a_topic_that_may_not_be_read_ends_the_run_with_its_name(closed: Stage) -> None:
    allow(closed, orders=DESCRIBE, baselines=READ, dead_letters=WRITE, group=READ)
    assert run(closed) == 1
    said = last_line(closed)
    assert said.startswith(
        f"warroom: Kafka at {closed.kafka.sasl_address} refuses to read topic {closed.orders}"
    )
    assert said.endswith("and the topic's access list.")


def test_dead_letters_that_may_not_be_written_end_the_run_with_their_topic(closed: Stage) -> None:
    allow(closed, orders=READ, baselines=READ, dead_letters=DESCRIBE, group=READ)
    send(producer(closed.kafka.address), closed.orders, [(None, b"broken"), (None, order(1))])
    assert run(closed) == 1
    assert f"refuses to write topic {closed.dead_letters}" in last_line(closed)


def test_with_the_rights_that_the_documentation_names_everything_is_read(closed: Stage) -> None:
    allow(closed, orders=READ, baselines=READ, dead_letters=WRITE, group=READ)
    send(producer(closed.kafka.address), closed.orders, [(None, order(n)) for n in range(20)])
    assert run(closed) == 0, closed.said()
    assert closed.shown("m1", "orders:day") == "20"
    assert closed.committed()[f"{closed.orders}/0"] == 20
