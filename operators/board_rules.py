"""What leaderboards are asked for. Who only hands it on needs nothing else of the engine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BoardRules:
    """How long a leaderboard is, and what a merchant needs in the window to stand on it.

    One order of a merchant that sells one a month must not lead the multiples, nor one view the shares.
    """

    size: int = 50
    min_orders: int = 10
    """For multiples of sales."""
    min_new_members: int = 10
    """For multiples of new members."""
    min_visitors: int = 100
    """For rates of people."""
    min_views: int = 100
    """Views with a known source, for shares of traffic."""
