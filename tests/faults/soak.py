"""``python -m tests.faults.soak --seconds N``: nights with faults; exit code 1 if any differs."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults.rig import Night, Rig


def main() -> None:
    """Play until the time is over; print every night and all of them together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    until = time.monotonic() + given.seconds
    faults: Counter[str] = Counter()
    events = restarts = wrong = 0
    longest_s = 0.0
    seed = given.seed
    while time.monotonic() < until:
        # One worker, two, three: the number may change from run to run, so it does from night to night.
        night = Night(seed=seed, workers=1 + seed % 3)
        with tempfile.TemporaryDirectory() as directory, Rig(night, Path(directory)) as rig:
            outcome = rig.play()
        print(f"night {seed}, {night.workers} workers: {outcome.summary()}", flush=True)
        faults += outcome.faults
        events += outcome.events
        restarts += outcome.restarts
        longest_s = max(longest_s, outcome.longest_gap_s)
        agreed = not outcome.differences and outcome.dead_letters == outcome.expected_dead_letters
        wrong += not (agreed and outcome.exit_code == 0)
        seed += 1
    print(
        f"all: {events:,} events, {faults.total()} faults, {restarts} restarts, "
        f"longest pause {longest_s:.1f} s, nights that differ: {wrong}"
    )
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
