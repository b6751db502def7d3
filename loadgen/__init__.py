"""Rehearse the night: seeded scenarios, replay of recorded days, and the oracle of right answers."""

from pathlib import Path

from loadgen.kernel_cache import drop_stale

drop_stale(Path(__file__).parent, Path(__file__).parent.parent / "schemas")
