"""Dead letters: events that could not be used, untouched, with the reason."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

Reason = Literal["malformed", "invalid", "late", "future"]
REASONS: Final[tuple[Reason, ...]] = ("malformed", "invalid", "late", "future")


class DeadLetter(Struct, frozen=True):
    """One event that was refused.

    ``value`` is the event's bytes as they came: the whole message where it held one event, the event's
    own line where it held several, None for a message without a value. ``line`` is the event's number
    in its message, from 0: (topic, partition, offset, line) names it, so a reader can tell a repeat.
    ``detail`` is a sentence for people.
    """

    topic: str
    partition: int
    offset: int
    line: int
    reason: Reason
    value: bytes | None
    detail: str = ""

    def headers(self) -> list[tuple[str, bytes]]:
        """Kafka headers of the record on the dead-letter topic."""
        return [
            ("topic", self.topic.encode()),
            ("partition", str(self.partition).encode()),
            ("offset", str(self.offset).encode()),
            ("line", str(self.line).encode()),
            ("reason", self.reason.encode()),
            ("detail", self.detail.encode()),
        ]
