"""``python -m tests.faults.soak --seconds N``: nights with faults, one after the other.

Exit code 1 if any number differs, any value fell, or results paused for more than ten seconds for a fault of
our own processes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults.rig import Night, Rig, median_and_most
from tests.faults.watcher import Cause

NIGHT_SECONDS, NIGHT_ORDERS = 150.0, 500_000
"""A long night has every kind of fault in it, and spends its time on faults: servers start and numbers are
compared once for some twenty of them."""
SHORTEST_NIGHT_SECONDS = 45.0
PAUSE_SECONDS = 1.0
"""Between results that are fresh again and the next fault."""
LONGEST_PAUSE_SECONDS = 10.0
"""For kills and stops of our own processes; an outage of a server lasts as long as it lasts."""


def main() -> None:
    """Play until the time is over; print every night and all of them together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    until = time.monotonic() + given.seconds
    faults: Counter[str] = Counter()
    events = restarts = nights = wrong = watched = differences = 0
    longest_s = dict.fromkeys(Cause, 0.0)
    recoveries_s: list[float] = []
    while time.monotonic() < until or not nights:
        seed = given.seed + nights
        # One worker, two, three: the number may change from run to run, so it does from night to night.
        # What is left of the time bounds the last one.
        seconds = min(NIGHT_SECONDS, max(until - time.monotonic(), SHORTEST_NIGHT_SECONDS))
        night = Night(
            seed=seed,
            seconds=seconds,
            orders=round(NIGHT_ORDERS * seconds / NIGHT_SECONDS),
            workers=1 + seed % 3,
            pause_s=PAUSE_SECONDS,
            settle=True,
        )
        with tempfile.TemporaryDirectory() as directory, Rig(night, Path(directory)) as rig:
            outcome = rig.play()
            said = "" if outcome.agreed else rig.room.said()
        print(f"night {seed}, {night.workers} workers: {outcome.summary()}", flush=True)
        if said:
            print(said, flush=True)
        faults += outcome.faults
        events += outcome.events
        restarts += outcome.restarts
        recoveries_s += outcome.recoveries_s
        watched += outcome.values_watched
        wrong += not outcome.agreed
        differences += bool(outcome.differences) + len(outcome.fallen)
        nights += 1
        longest_s = {cause: max(s, outcome.longest_pause_s[cause]) for cause, s in longest_s.items()}
    process_s, server_s = longest_s[Cause.PROCESS], longest_s[Cause.SERVER]
    print(
        f"{nights} nights: {events:,} events, {faults.total()} faults, {restarts} restarts; "
        f"{watched:,} values watched; nights that differ: {wrong}; differences: {differences}\n"
        f"from a worker's death to consuming: {median_and_most(recoveries_s)}\n"
        f"longest pause of fresh results: {process_s:.1f} s after process faults "
        f"(at most {LONGEST_PAUSE_SECONDS:g}), {server_s:.1f} s with server outages\n"
        f"by kind: {', '.join(f'{n} {name}' for name, n in sorted(faults.items()))}"
    )
    sys.exit(1 if wrong or process_s > LONGEST_PAUSE_SECONDS else 0)


if __name__ == "__main__":
    main()
