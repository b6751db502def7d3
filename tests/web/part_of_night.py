"""The demo's night up to an hour, and not a message later: for pictures of a night that stands still.

Unlike ``loadgen run --hours``, which makes a day of fewer hours, this sends the first part of the whole one.
"""

from __future__ import annotations

import argparse
import sys
from itertools import takewhile

import msgspec

from loadgen import scenario as scenarios
from loadgen.errors import LoadgenError
from loadgen.options import settings
from loadgen.pacing import Pace
from loadgen.plan import make_plan
from loadgen.run import Load, Outputs, Target, asked, send_load
from loadgen.stream import blocks
from loadgen.topics import send_baselines
from warroom.demo_stage import SCENARIO

HOUR_MS = 3_600_000


def send_until(hour: int, brokers: str, speed: float) -> None:
    """Send what is due in the first hours of the night. Raises ``LoadgenError``."""
    night = scenarios.load(SCENARIO)
    target = Target(settings(brokers, None, "none"))
    plan = make_plan(night, target.open_orders(), target.open_clicks())
    if hour * 3600 % plan.block_seconds:
        raise LoadgenError(f"the night comes in blocks of {plan.block_seconds} s; {hour} h is within one")
    first = takewhile(lambda block: block.end_ms <= hour * HOUR_MS, blocks(plan))
    baselines = send_baselines(target.settings, target.topic_baselines, plan.catalogue.baselines)
    load = Load(night.name, first, lambda: asked(plan), baselines, night.start_ms, target.topics(clicks=True))
    done = send_load(load, target, Pace(speed=speed), Outputs(), lambda _: None)
    print(msgspec.json.encode(done).decode())
    if not done.complete:
        raise LoadgenError("not everything was sent")


def main() -> None:
    """Send it, in a process of its own as the demo's load is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--until-hour", type=int, required=True)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--speed", type=float, required=True)
    given = parser.parse_args()
    try:
        send_until(given.until_hour, given.brokers, given.speed)
    except LoadgenError as error:
        sys.exit(f"part of the night: {error}")


if __name__ == "__main__":
    main()
