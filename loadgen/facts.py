"""What the oracle is told of the events that were made: those that count, each once, in columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from loadgen.draws import I8, I32, I64, U8

KINDS: Final = ("good", "duplicate", "late", "future", "malformed", "invalid")
"""What an event can be, in the order of ``kinds``."""
SAYS_FIRST, SAYS_NOT_FIRST, SAYS_NOTHING = 1, 0, -1


@dataclass(frozen=True, slots=True)
class Where:
    """Who and where of ``n`` events. Channels and categories are numbers of the names in ``oracle.Asked``."""

    person: I64
    channel: I32
    category: I32
    tier: U8  # 0: unknown


@dataclass(frozen=True, slots=True)
class Facts:
    """The orders of a block that count, each once. ``n`` of them; ``row`` numbers merchants."""

    row: I32
    event_ms: I64  # since the epoch
    code: U8  # PAID, REFUNDED, CANCELLED or CREATED
    amount_fen: I64
    quantity: I64
    first_order: I8  # SAYS_FIRST, SAYS_NOT_FIRST or SAYS_NOTHING
    where: Where
    kinds: I64  # (6,) events of each of KINDS, also those that do not count


@dataclass(frozen=True, slots=True)
class ClickFacts:
    """The clicks of a block and partition that count, each once, in the order of sending. ``n`` of them."""

    row: I32
    event_ms: I64  # since the epoch
    action: U8  # channels.ACTIONS
    source: U8  # channels.SOURCES
    where: Where
    kinds: I64  # (6,)
