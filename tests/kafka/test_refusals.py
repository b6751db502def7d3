"""What the war room says where Apache Kafka has not what it asks for, or does not let it in."""

from __future__ import annotations

from typing import Any

from tests.kafka.stage import Stage

LOGIN: dict[str, Any] = {
    "KAFKA__CLIENT__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "KAFKA__CLIENT__SASL_MECHANISM": "PLAIN",
    "KAFKA__CLIENT__SASL_USERNAME": "warroom",
}


def test_a_missing_topic_is_one_line_and_exit_code_2(stage: Stage) -> None:
    room = stage.war_room()
    assert stage.ran(room) == 2
    assert stage.said() == (
        f"warroom: Kafka at {stage.kafka.address} has no topic {stage.orders}; "
        "create it or set another in [kafka]\n"
    )


def test_a_wrong_password_is_one_line_and_exit_code_2(stage: Stage) -> None:
    stage.create()
    room = stage.war_room(brokers=stage.kafka.sasl_address, **LOGIN, KAFKA__CLIENT__SASL_PASSWORD="wrong")
    assert stage.ran(room) == 2
    (line,) = stage.said().splitlines()
    assert line.startswith(f"warroom: Kafka at {stage.kafka.sasl_address} refuses the login: ")
    assert line.endswith("see sasl.* and ssl.* under [kafka.client]")


def test_the_right_password_lets_the_war_room_read_to_the_end(stage: Stage) -> None:
    stage.create()
    room = stage.war_room(
        "--bounded",
        brokers=stage.kafka.sasl_address,
        **LOGIN,
        KAFKA__CLIENT__SASL_PASSWORD="right",
    )
    assert stage.ran(room) == 0, stage.said()
