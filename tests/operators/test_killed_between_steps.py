"""Killed between any two steps of a snapshot, a run goes on and ends with the numbers of one never killed.

The steps are the operations on files of every journal, base and slice of remembered orders, and the commit
that Bytewax makes when all are through. Each is a place to die, before it and, for a write, in its middle.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import operators.journal as journal
import operators.state_files as state_files
from operators.batches import Standing
from operators.bytes_kernels import Interner
from operators.click_tally import ClickTally
from operators.decode import ClickDecoder, OrderDecoder, raw_batch
from operators.dedup import Dedup, DedupBudget
from operators.dedup_store import DedupStore
from operators.delta import ShardDelta
from operators.dimensions import Dimensions
from operators.event_lane import EventLane
from operators.order_tally import OrderTally
from operators.process_clock import ProcessClock
from operators.shard import Shard
from operators.shard_store import ShardStore
from operators.state_files import RebaseTurns
from operators.tally import shard_of_merchant
from schemas.windows import LATENESS_MS
from tests.operators.night import DAY_START_MS, STAMP_MS, click, encoded, fields_of, order, rules

TOPICS = ("orders", "clicks")
EPOCHS = 6
MESSAGES_AN_EPOCH = 6
HORIZON_MS = 60_000
MERCHANTS = ("m1", "m2", "m3")
SHARDS = sorted({shard_of_merchant(m) for m in MERCHANTS})
RULES = rules(1, 1)


class KilledError(BaseException):
    """What ``kill -9`` is to the code it hits."""


@dataclass
class Steps:
    """Counts what is done to files and dies before step ``last`` (in its middle, if ``torn``)."""

    last: int = -1
    torn: bool = False
    names: list[str] = field(default_factory=list)
    _files: set[int] = field(default_factory=set)

    def step(self, name: str) -> None:
        self._count(name)
        if len(self.names) - 1 == self.last:
            raise KilledError

    def _count(self, name: str) -> None:
        if 0 <= self.last < len(self.names):
            raise KilledError  # the dead do nothing more, not even tidy up
        self.names.append(name)

    def open(self, *arguments: Any) -> int:  # noqa: ANN401
        self.step("open")
        file = os.open(*arguments)
        self._files.add(file)
        return file

    def ftruncate(self, file: int, length: int) -> None:
        self.step("cut")
        os.ftruncate(file, length)

    def write(self, file: int, data: memoryview) -> int:
        self._count("write")
        if len(self.names) - 1 == self.last:
            if self.torn:
                os.write(file, data[: len(data) // 2])
            raise KilledError
        return os.write(file, data)

    def close(self, file: int) -> None:
        self.step("close")
        self._files.discard(file)
        os.close(file)

    def lseek(self, *arguments: int) -> int:
        return os.lseek(*arguments)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - flags of os.open
        return getattr(os, name)

    def bury(self) -> None:
        """What the kernel does for a dead process."""
        for file in self._files:
            os.close(file)
        self._files.clear()


@contextmanager
def dying(steps: Steps) -> Iterator[None]:
    unlink = Path.unlink

    def counted(path: Path, missing_ok: bool = False) -> None:
        steps.step("remove")
        unlink(path, missing_ok)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "os", steps)
        patch.setattr(Path, "unlink", counted)
        patch.setattr(state_files, "SMALLEST_JOURNAL_BYTES", 1_500)
        patch.setattr(state_files, "BLOCK_BYTES", 4_000)
        patch.setattr(journal.Retired, "KEPT_SNAPSHOTS", 2)
        yield
    steps.bury()


class AlwaysTurn(RebaseTurns):
    def take(self) -> bool:
        return True


Epoch = tuple[dict[int, Any], dict[int, Any]]
"""What Bytewax commits: the state of every lane (with its next message), and of every shard."""


@dataclass
class Committed:
    """Bytewax's recovery store. It may resume an epoch before its last, never before an earlier resume."""

    epochs: list[Epoch] = field(default_factory=list)
    resumed: int = 0

    def resume(self, behind: int) -> Epoch | None:
        """The epoch to go on from; what comes after it is void."""
        self.resumed = max(self.resumed, len(self.epochs) - behind)
        del self.epochs[self.resumed :]
        return self.epochs[-1] if self.epochs else None


class Run:
    """Lanes and shards with their stores, from a committed epoch on."""

    def __init__(self, directory: Path, run_name: str, resumed: Epoch | None) -> None:
        merchants, dimensions, clock = Interner(), Dimensions(), ProcessClock()
        budget = DedupBudget(1 << 28)
        self.lanes: list[EventLane[Any]] = [
            EventLane(
                name, 0, decoder, Dedup(HORIZON_MS, budget), tally,
                DedupStore(directory / name, run_name), clock, LATENESS_MS, RULES.sale_opens_ms,
            )
            for name, decoder, tally in (
                ("orders", OrderDecoder(merchants, dimensions), OrderTally(merchants, dimensions)),
                ("clicks", ClickDecoder(merchants, dimensions), ClickTally(merchants, dimensions)),
            )
        ]  # fmt: skip
        turns = AlwaysTurn()
        self.stores = {s: ShardStore(directory / "shards", s, run_name, turns) for s in SHARDS}
        self.shards = {s: Shard(s, RULES) for s in SHARDS}
        self.next_message = dict.fromkeys(range(len(TOPICS)), 0)
        if resumed is not None:
            for number, (offset, state) in resumed[0].items():
                self.next_message[number] = offset
                self.lanes[number].resume(state)
            self.shards = {s: self.stores[s].load(ref, RULES) for s, ref in resumed[1].items()}

    def read(self, sent: list[list[bytes]]) -> None:
        """Take the messages of one epoch of both topics."""
        for number, messages in enumerate(sent):
            start = self.next_message[number]
            values: list[bytes | None] = [*messages[start : start + MESSAGES_AN_EPOCH]]
            if values:
                self.next_message[number] += len(values)
                batch = raw_batch(TOPICS[number], 0, start, values, STAMP_MS)
                self._deliver(self.lanes[number].take(batch).to_shards)

    def end(self) -> dict[str, dict[str, Any]]:
        """The end of the input; everything of every merchant."""
        for lane in self.lanes:
            self._deliver(lane.pulse(Standing.ENDED).to_shards)
        found = {}
        for shard in self.shards.values():
            shard.outbox.touch()
            rows = shard.outbox.take()
            assert rows is not None
            found.update(fields_of(rows))
        return found

    def _deliver(self, deltas: list[tuple[str, ShardDelta]]) -> None:
        for _, delta in deltas:
            if delta.shard in self.shards:
                shard = self.shards[delta.shard]
                before = shard.closing.next_minute
                shard.take(delta)
                self.stores[delta.shard].note(delta, shard.closing.next_minute != before)

    def snapshot(self) -> Epoch:
        """What the epoch that ends here is named by."""
        lanes = {n: (self.next_message[n], lane.snapshot()) for n, lane in enumerate(self.lanes)}
        return lanes, {s: self.stores[s].save(self.shards[s], -1) for s in SHARDS}

    @property
    def is_through(self) -> bool:
        return all(n >= EPOCHS * MESSAGES_AN_EPOCH for n in self.next_message.values())


def night() -> list[list[bytes]]:
    """Orders and clicks, one in three a copy of an earlier one, and joins that were made before."""
    rng = random.Random(12)
    sent: list[list[bytes]] = []
    for topic in TOPICS:
        events: list[dict[str, Any]] = []
        for n in range(EPOCHS * MESSAGES_AN_EPOCH):
            at_ms = DAY_START_MS + n * 11_000 + rng.randrange(4_000)
            merchant = rng.choice(MERCHANTS)
            if events and rng.random() < 0.33:
                events.append(rng.choice(events[-15:]))
            elif topic == "orders":
                events.append(order(n, merchant, at_ms, amount=rng.randrange(999)))
            else:
                action = rng.choice(["view", "join", "join"])
                events.append(click(n, merchant, at_ms, action=action, visitor_id=f"v{rng.randrange(20)}"))
        sent.append([encoded(e) for e in events])
    return sent


def live(directory: Path, name: str, committed: Committed, steps: Steps, behind: int = 0) -> Any:  # noqa: ANN401
    """Run on from the last committed epoch (or ``behind`` before it) to the end, or to death: then None."""
    try:
        with dying(steps):
            run = Run(directory, name, committed.resume(behind))
            while not run.is_through:
                run.read(NIGHT)
                epoch = run.snapshot()
                steps.step("commit")
                committed.epochs.append(epoch)
            return run.end()
    except KilledError:
        steps.bury()
        return None


NIGHT = night()


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, list[str]]:
    """Results of a run that nobody killed, and its steps."""
    steps = Steps()
    return live(tmp_path_factory.mktemp("whole"), "1-whole", Committed(), steps), steps.names


def test_the_steps_are_all_kinds_there_are(unharmed: tuple[Any, list[str]]) -> None:
    _, names = unharmed
    assert set(names) == {"open", "cut", "write", "close", "remove", "commit"}
    assert names.count("commit") == EPOCHS
    assert len(names) > 100


@pytest.mark.parametrize("torn", [False, True], ids=["before the step", "in the middle of a write"])
def test_killed_at_any_step_nothing_is_lost_or_counted_twice(
    tmp_path: Path, unharmed: tuple[Any, list[str]], torn: bool
) -> None:
    expected, names = unharmed
    rng = random.Random(7)
    for last, name in enumerate(names):
        if torn and name != "write":
            continue
        directory = tmp_path / str(last)
        committed = Committed()
        assert live(directory, "1-a", committed, Steps(last, torn)) is None
        # The second run dies too, somewhere; the third is left alone.
        results = live(directory, "2-b", committed, Steps(rng.randrange(60), torn), behind=last % 2)
        if results is None:
            results = live(directory, "3-c", committed, Steps())
        assert results == expected, f"killed at step {last}: {name}"
