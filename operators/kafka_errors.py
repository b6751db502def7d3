"""What can go wrong between Warroom and Kafka for good. Outages are not here: they are waited out.

KafkaReadError                   root of all that the Kafka source raises
├── OffsetsLostError             the position to go on from is no longer on the broker
├── AccessRefusedError           the broker refuses the login, or the right to read
└── StoppedWaitingError          told to stop before the broker or the topic was there
"""

from __future__ import annotations


class KafkaReadError(Exception):
    """Root of what ends a run because Kafka cannot be read."""


class OffsetsLostError(KafkaReadError):
    """A stored offset is not on the broker: retention removed it, or it is another cluster.

    ``first_available`` and ``next_offset`` (behind the last message) are -1 where the broker did not say.
    """

    def __init__(
        self, topic: str, partition: int, stored: int, first_available: int, next_offset: int
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.stored = stored
        self.first_available = first_available
        self.next_offset = next_offset
        super().__init__(
            f"Kafka no longer has offset {stored} of topic {topic}, partition {partition}: "
            f"it holds {_range(first_available, next_offset)}. Messages in between cannot be counted. "
            'To go on from the earliest message that is left, set on_lost_offsets = "earliest"; '
            "to count everything anew, start with an empty state directory."
        )


class AccessRefusedError(KafkaReadError):
    """The broker refuses the login or the right to read a topic."""

    def __init__(self, brokers: str, what: str, reason: str) -> None:
        super().__init__(
            f"Kafka at {brokers} refuses {what}: {reason.rstrip('.')}. "
            "Check the user, password and certificates under [kafka.client], and the topic's access list."
        )


class ClientSettingError(KafkaReadError):
    """librdkafka does not know a setting, or not this value of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"setting under [kafka.client]: {reason}")


class StoppedWaitingError(KafkaReadError):
    """The run was told to stop while it waited for the broker or a topic."""

    def __init__(self, brokers: str, topic: str) -> None:
        super().__init__(f"stopped while waiting for topic {topic} of Kafka at {brokers}")


def _range(first: int, behind: int) -> str:
    if first < 0:
        return "other offsets"
    return f"offsets {first} to {behind - 1}" if behind > first else f"nothing before offset {first}"
