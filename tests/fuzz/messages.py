"""``python -m tests.fuzz.messages --count N``: damaged messages through a lane; no event is lost."""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import dataclass
from typing import Any, Final

from operators.batches import Lane
from operators.bytes_kernels import Interner
from operators.click_tally import ClickTally
from operators.decode import ClickDecoder, OrderDecoder, raw_batch
from operators.dedup import Dedup, DedupBudget
from operators.dimensions import Dimensions
from operators.event_lane import EventLane
from operators.order_tally import OrderTally
from operators.process_clock import ProcessClock
from schemas.windows import LATENESS_MS
from tests.fuzz.baselines import kept
from tests.fuzz.mutations import events_in, mutated
from tests.operators.night import DAY_START_MS, click, encoded, order


@dataclass(slots=True)
class Account:
    """Events sent, and what became of them."""

    sent: int = 0
    counted: int = 0
    duplicates: int = 0
    dead: int = 0

    @property
    def missing(self) -> int:
        """Events that are neither counted nor dead letters; below 0: some are both."""
        return self.sent - self.counted - self.duplicates - self.dead


BASELINES_SHARE: Final = 20
"""One baseline for so many messages: they are read one by one, and a night has few of them."""
OPTIONAL: Final[list[dict[str, Any]]] = [
    {},
    {"channel": "koubei", "category": "餐飲", "city_tier": 1},
    {"item_id": None, "first_order": True},
    {"unknown": [1, {"deep": "er"}]},
]


OPTIONAL_OF_CLICKS: Final[list[dict[str, Any]]] = [
    {},
    {"source": "qr_code", "channel": "koubei"},
    {"source": None, "city_tier": 2},
]


def orders(seed: int, count: int = 10_000) -> list[bytes]:
    """Good messages of one to four orders, with all fields that an order may have."""
    rng = random.Random(seed)
    made = []
    for n in range(count):
        events = [
            order(
                rng.randrange(10**6),
                rng.choice(["m1", "外婆家", '"q"', "m" * 128, f"m{n}"]),
                DAY_START_MS + rng.randrange(86_400_000),
                amount=rng.choice([0, 1, 10**13, rng.randrange(10**6)]),
                quantity=rng.choice([1, 10**9, rng.randrange(1, 9)]),
                status=rng.choice(["paid", "refunded", "cancelled", "created"]),
                **rng.choice(OPTIONAL),
            )
            for _ in range(rng.choice([1, 1, 1, 2, 4]))
        ]
        made.append(b"\n".join(encoded(event) for event in events))
    return made


def clicks(seed: int, count: int = 10_000) -> list[bytes]:
    """Good messages of one to four clicks."""
    rng = random.Random(seed)
    made = []
    for n in range(count):
        events = [
            click(
                rng.randrange(10**6),
                rng.choice(["m1", "外婆家", "m" * 128, f"m{n}"]),
                DAY_START_MS + rng.randrange(86_400_000),
                action=rng.choice(["view", "view", "cart", "favorite", "join"]),
                **rng.choice(OPTIONAL_OF_CLICKS),
            )
            for _ in range(rng.choice([1, 1, 1, 2, 4]))
        ]
        made.append(b"\n".join(encoded(event) for event in events))
    return made


def order_lane() -> Lane:
    """A lane of orders as a worker has it, without files."""
    merchants, dimensions = Interner(), Dimensions()
    return _lane("orders", OrderDecoder(merchants, dimensions), OrderTally(merchants, dimensions))


def click_lane() -> Lane:
    """A lane of clicks."""
    merchants, dimensions = Interner(), Dimensions()
    return _lane("clicks", ClickDecoder(merchants, dimensions), ClickTally(merchants, dimensions))


def _lane(topic: str, decoder: Any, tally: Any) -> Lane:  # noqa: ANN401 - of orders or of clicks
    dedup = Dedup(600_000, DedupBudget(1 << 28))
    return EventLane(topic, 0, decoder, dedup, tally, None, ProcessClock(), LATENESS_MS, None)


def account(lane: Lane, corpus: list[bytes], count: int, seed: int) -> Account:
    """Send ``count`` damaged messages through a lane; what became of their events."""
    result = Account()
    offset = 0
    for values in mutated(corpus, count, seed):
        output = lane.take(raw_batch("fuzz", 0, offset, [*values], DAY_START_MS + 86_400_000))
        offset += len(values)
        places = {(letter.offset, letter.line) for letter in output.dead_letters}
        assert len(places) == len(output.dead_letters), "an event was refused twice"
        result.sent += events_in(values)
        result.counted += output.accepted
        result.duplicates += output.duplicates
        result.dead += len(output.dead_letters)
    return result


def main() -> None:
    """Send as many as asked for, and say what became of them; exit code 1 if any is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    missing = 0
    for name, lane, corpus in (("orders", order_lane(), orders), ("clicks", click_lane(), clicks)):
        started = time.monotonic()
        count = given.count // 2
        found = account(lane, corpus(given.seed), count, given.seed)
        missing += abs(found.missing)
        print(
            f"{count:,} damaged messages of {name}, {found.sent:,} events: {found.counted:,} counted, "
            f"{found.duplicates:,} copies, {found.dead:,} dead letters, {found.missing} missing; "
            f"{time.monotonic() - started:.0f} s"
        )
    missing += abs(_fuzz_baselines(given.count // BASELINES_SHARE, given.seed))
    raise SystemExit(missing != 0)


def _fuzz_baselines(count: int, seed: int) -> int:
    """Send damaged baselines through lane and shards, and say what became of them; how many are missing."""
    started = time.monotonic()
    found = kept(count, seed)
    print(
        f"{found.sent:,} damaged baselines: {found.taken:,} kept, {found.dead:,} dead letters, "
        f"{found.missing} missing; {time.monotonic() - started:.0f} s"
    )
    return found.missing


if __name__ == "__main__":
    main()
