"""More of a recorded day, or less, in its own shape: whole people with all they did, under fresh ids.

At 1.5 everybody is there once, and every second person has a twin who does the same within the same second.
Who has one is drawn from the seed and the person's id alone, so a refund finds its order, a copy its
original, and ratios between people, clicks and orders stay.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

import polars as pl

from schemas.events import MAX_ID_BYTES

SECOND_MS: Final = 1000
_IDS: Final = re.compile(rb'("(?:order_id|event_id|member_id|visitor_id)"\s*:\s*")((?:[^"\\]|\\.)*)(")')
_PERSON: Final = re.compile(rb'"(?:member_id|visitor_id)"\s*:\s*"((?:[^"\\]|\\.)*)"')
_MERCHANT: Final = re.compile(rb'"merchant_id"\s*:\s*"((?:[^"\\]|\\.)*)"')
_TIME: Final = re.compile(rb'("event_time"\s*:\s*)([0-9]{1,15})(?![0-9.eE])')


@dataclass(frozen=True, slots=True)
class Amplifier:
    """``factor``: how many times the day. 1 leaves everything as it is; below 1 people stay away."""

    factor: float = 1.0
    seed: int = 0

    def copies(self, person: bytes) -> int:
        """How often a person is there."""
        whole = int(self.factor)
        return whole + (self._draw(b"copies", person) < (self.factor - whole) * 2**64)

    def moved_ms(self, at_ms: int, event: bytes, number: int) -> int:
        """How far twin ``number`` of an event moves from ``at_ms``: to a drawn place in the same second."""
        place = self._draw(b"place", event, b"%d" % number) % SECOND_MS
        return place - at_ms % SECOND_MS if number else 0

    def _draw(self, *parts: bytes) -> int:
        digest = hashlib.blake2b(b"\0".join((b"%d" % self.seed, *parts)), digest_size=8)
        return int.from_bytes(digest.digest(), "little")


def merchant_of(line: bytes) -> bytes | None:
    """The merchant that a line names; None if it names none."""
    found = _MERCHANT.search(line)
    return found.group(1) if found else None


def person_of(line: bytes) -> bytes:
    """Whose event a line is; the line itself where it names nobody."""
    found = _PERSON.search(line)
    return found.group(1) if found and found.group(1) else line


def twin_id(text: bytes, number: int) -> bytes:
    """An id of the twin's own. What is empty or too long stays: it is to be refused as the original is."""
    if not text or len(text) > MAX_ID_BYTES or number == 0:
        return text
    fresh = text + b"~%d" % number
    if len(fresh) <= MAX_ID_BYTES:
        return fresh
    return hashlib.blake2b(text, digest_size=16).hexdigest().encode() + b"~%d" % number


def twin_line(line: bytes, number: int, moved_ms: int) -> bytes:
    """A line of JSON with fresh ids for twin ``number`` (0: the original's), its event time moved."""
    if number:
        line = _IDS.sub(lambda m: m.group(1) + twin_id(m.group(2), number) + m.group(3), line)
    if moved_ms:
        line = _TIME.sub(lambda m: m.group(1) + b"%d" % max(0, int(m.group(2)) + moved_ms), line)
    return line


def amplified(orders: pl.DataFrame, amplifier: Amplifier) -> pl.DataFrame:
    """Recorded orders (columns of ``recorded.FIELDS``) with their twins, in no particular order."""
    if amplifier.factor == 1.0:
        return orders
    people = orders["member_id"].unique()
    counts = [amplifier.copies(person.encode()) for person in people.to_list()]
    held = pl.DataFrame({"member_id": people, "twin": [list(range(count)) for count in counts]},
                        schema_overrides={"twin": pl.List(pl.Int64)})  # fmt: skip
    spread = orders.join(held, on="member_id", maintain_order="left").explode("twin", empty_as_null=False)
    moved, order_ids, member_ids = [], [], []
    columns = ("event_ms", "order_id", "member_id", "twin")
    for at_ms, order_id, member_id, twin in spread.select(columns).iter_rows():
        moved.append(amplifier.moved_ms(at_ms, order_id.encode(), twin))
        order_ids.append(twin_id(order_id.encode(), twin).decode())
        member_ids.append(twin_id(member_id.encode(), twin).decode())
    return spread.with_columns(
        order_id=pl.Series(order_ids, dtype=pl.String),
        member_id=pl.Series(member_ids, dtype=pl.String),
        event_ms=pl.col("event_ms") + pl.Series(moved, dtype=pl.Int64),
    ).drop("twin")
