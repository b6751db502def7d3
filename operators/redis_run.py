"""Who writes to Redis. The supervisor names runs and needs nothing else of the engine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Run:
    """Who writes. ``number`` grows with every run; all processes of a run share it."""

    number: int
    run_id: str
    started_at_ms: int
