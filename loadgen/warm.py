"""``python -m loadgen.warm``: compile what makes events once, so that no run has to wait for it."""

from __future__ import annotations

import time

import msgspec
import numpy as np

from loadgen import librdkafka, scenario
from loadgen.client import NO_HEADERS
from loadgen.keying import keyed_messages, partitions_of_ids
from loadgen.latency import BUCKETS, Histogram
from loadgen.plan import make_plan
from loadgen.sending import add_up
from loadgen.stream import blocks


def warm() -> None:
    """Make a small day, and hand nothing of it over."""
    day = msgspec.structs.replace(scenario.load("double12-2019"), orders=20_000, hours=1)
    for block in blocks(make_plan(day, 2)):
        for messages in block.messages:
            keyed_messages(messages, "merchant")
            librdkafka.hand_over(
                0, 0, 0, messages.partition, messages.data, messages.starts, messages.lengths,
                messages.key_starts, messages.key_lengths, messages.timestamps_ms, messages.due_ms, 0,
                NO_HEADERS, 0, 0, librdkafka.argument_block(),
            )  # fmt: skip
            add_up(messages.events, messages.lengths, messages.due_ms, 0, 0, 0)
    partitions_of_ids(["a"], 2)
    Histogram().record(1)
    none = np.zeros(1, np.int64)
    counts = np.zeros((1, 1), np.int64)
    librdkafka.read_reports(none, 0, 0, 52, counts, counts, np.zeros(BUCKETS, np.int64))


def main() -> None:
    """Compile, and say how long it took."""
    started = time.monotonic()
    warm()
    print(f"compiled the load generator in {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
