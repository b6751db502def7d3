"""Counting dead letters: a repeat, as a restart may cause, counts once."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer

from schemas.dead_letters import DeadLetter, Reason
from warroom.dead_letters import count_dead_letters
from warroom.errors import WarroomError
from warroom.services import create_topics, quiet_client


def send(broker: str, letters: list[DeadLetter]) -> None:
    producer = Producer(quiet_client(broker))
    for letter in letters:
        headers: list[tuple[str, str | bytes | None]] = list(letter.headers())
        producer.produce("dead-letters", letter.value, headers=headers)
    assert producer.flush(10) == 0


def letter(offset: int, line: int, reason: Reason) -> DeadLetter:
    return DeadLetter("orders", 0, offset, line, reason, b"{")


def test_letters_are_counted_by_reason(broker: str) -> None:
    create_topics(broker)
    send(broker, [letter(1, 0, "late"), letter(2, 0, "late"), letter(2, 1, "malformed")])
    assert count_dead_letters(broker, "dead-letters") == {"late": 2, "malformed": 1}


def test_letter_that_was_written_twice_counts_once(broker: str) -> None:
    create_topics(broker)
    send(broker, [letter(1, 0, "invalid"), letter(1, 0, "invalid")])
    assert count_dead_letters(broker, "dead-letters") == {"invalid": 1}


def test_topic_without_letters_has_no_reasons(broker: str) -> None:
    create_topics(broker)
    assert count_dead_letters(broker, "dead-letters") == {}


def test_topic_that_is_missing_is_named(broker: str) -> None:
    with pytest.raises(WarroomError, match=f"^dead letters at {broker}, topic letters: "):
        count_dead_letters(broker, "letters")
