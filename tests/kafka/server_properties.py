"""What one broker is told that is its own controller."""

from __future__ import annotations

from pathlib import Path

from warroom.children import LOOPBACK


def server_properties(
    data: Path, port: int, sasl_port: int, controller_port: int, password: str
) -> dict[str, str]:
    """Settings of a node with a plain listener and one that asks for a password."""
    own = f"PLAINTEXT://{LOOPBACK}:{port},SASL_PLAINTEXT://{LOOPBACK}:{sasl_port}"
    login = "org.apache.kafka.common.security.plain.PlainLoginModule"
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "listeners": f"{own},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": own,
        "listener.security.protocol.map": (
            "PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT"
        ),
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": (
            f'{login} required username="warroom" password="{password}" user_warroom="{password}";'
        ),
        "log.dirs": str(data),
        **_one_of_everything(),
        "group.initial.rebalance.delay.ms": "0",
        "auto.create.topics.enable": "false",
        "log.retention.hours": "-1",
        # Compaction at once where a topic asks for it.
        "log.cleaner.backoff.ms": "200",
    }


def _one_of_everything() -> dict[str, str]:
    replicated = {
        "default.replication.factor",
        "min.insync.replicas",
        "offsets.topic.replication.factor",
        "transaction.state.log.replication.factor",
        "transaction.state.log.min.isr",
        "share.coordinator.state.topic.replication.factor",
        "share.coordinator.state.topic.min.isr",
    }
    parted = {"offsets.topic.num.partitions", "transaction.state.log.num.partitions"}
    return {**dict.fromkeys(sorted(replicated), "1"), **dict.fromkeys(sorted(parted), "4")}
