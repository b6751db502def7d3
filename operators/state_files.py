"""The files of one part of the state: a base, a journal of blocks behind it, and the reference to both.

At the end of an epoch what was taken in it is appended to the journal; the reference (files, lengths) is
what Bytewax commits. Cost follows what arrived, not what is held. Now and then, one part at a time, the
whole state becomes a new base and the journal begins anew. A kill between any two of these steps leaves
files longer than a committed reference says, never shorter; what stands behind is cut off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from operators.journal import Journal, Retired, read_upto

_HEAD_BYTES = 5
SMALLEST_JOURNAL_BYTES = 2 * 1024 * 1024
"""A journal this short is never worth a new base."""
BASE_SHARE = 0.4
"""Nor is one that is shorter than this share of what the state holds in memory. With 0.25, 0.4 and 0.5 a
million merchants took 6.6, 12.2 and 14.3 s to resume, but epochs' ends waited for 0.22, 0.09 and 0.06 s
(``benchmarks.snapshots``, one run of each on an AMD EPYC)."""
BLOCK_BYTES = 16 * 1024
"""What a block of the journal counts for beside its length: to replay an empty one takes 0.2 to 0.3 ms, so
a quiet night's journal would be short in bytes and long to resume from. 128 blocks fill the smallest."""
REBASE_SHARE = 0.1
"""Part of a process's time that goes into bases."""
REBASE_CREDIT_SECONDS = 0.2
"""Most of it that is taken at one epoch's end, but for the last base's rest: what an epoch waits for."""


class RebaseTurns:
    """Shares out among the parts of one process the time in which bases are written.

    ``now``: monotonic seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._credit_s = REBASE_CREDIT_SECONDS
        self._counted_at = now()

    def take(self) -> bool:
        """Whether there is time for a base now."""
        now = self._now()
        self._credit_s += (now - self._counted_at) * REBASE_SHARE
        self._credit_s = min(self._credit_s, REBASE_CREDIT_SECONDS)
        self._counted_at = now
        return self._credit_s > 0

    def spent(self, seconds: float) -> None:
        """A base took that long."""
        self._credit_s -= seconds


class FilesRef(NamedTuple):
    """Files and their committed lengths."""

    base: str | None
    base_bytes: int
    journal: str
    journal_bytes: int


def _blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        yield data[at + 4], data[at + _HEAD_BYTES : at + _HEAD_BYTES + length]
        at += _HEAD_BYTES + length


class StateFiles:
    """Files of one part of the state in ``directory``; new ones carry the name of this run.

    ``part``: its name in file names, of fixed meaning in all runs.
    """

    def __init__(self, directory: Path, part: str, run: str, turns: RebaseTurns) -> None:
        self._directory = directory
        self._part = part
        self._run = run
        self._generation = 0
        self._turns = turns
        self._retired = Retired()
        self._base: str | None = None
        self._base_bytes = 0
        self._journal: Journal | None = None
        self._parts: list[bytes] = []  # heads and blocks that the next save writes
        self._journal_blocks = 0

    def add(self, kind: int, block: bytes) -> None:
        """A block for the journal, written by the next ``save``."""
        self._parts += [len(block).to_bytes(4, "little") + bytes([kind]), block]
        self._journal_blocks += 1

    def save(self, dump: Callable[[], bytes], held_bytes: int) -> FilesRef:
        """Bring the journal up to now, or write ``dump()`` as a base; the reference that names them.

        ``held_bytes``: what the state takes in memory. Raises ``OSError`` on a full disk.
        """
        if self._journal is None:
            self._journal = Journal(self._path("journal"))
        if self._parts:
            self._journal.append(b"".join(self._parts))
            self._parts = []
        if self._is_long(self._journal, held_bytes) and self._turns.take():
            started = time.monotonic()
            self._journal = self._rebased(dump(), self._journal)
            self._turns.spent(time.monotonic() - started)
        self._retired.snapshot_taken()
        return FilesRef(self._base, self._base_bytes, self._journal.path.name, self._journal.length)

    def _is_long(self, journal: Journal, held_bytes: int) -> bool:
        """Whether to resume from the journal costs more than a base is worth."""
        weight = journal.length + self._journal_blocks * BLOCK_BYTES
        return weight > max(SMALLEST_JOURNAL_BYTES, BASE_SHARE * held_bytes)

    def _path(self, kind: str) -> Path:
        return self._directory / f"{self._run}-{self._part}-{self._generation:06d}.{kind}"

    def _rebased(self, state: bytes, journal: Journal) -> Journal:
        journal.close()
        self._retired.add(journal.path)
        if self._base is not None:
            self._retired.add(self._directory / self._base)
        self._generation += 1
        base = Journal(self._path("base"))
        base.append(state)
        base.close()
        self._base, self._base_bytes = base.path.name, base.length
        self._journal_blocks = 0
        return Journal(self._path("journal"))

    def load(self, ref: FilesRef) -> tuple[bytes | None, list[tuple[int, bytes]]]:
        """The base, if there is one, and the blocks behind it; appending goes on where ``ref`` ends.

        Raises ``OSError`` or ``ValueError`` if a file is missing or was cut.
        """
        base = None if ref.base is None else read_upto(self._directory / ref.base, ref.base_bytes)
        journal = self._directory / ref.journal
        blocks = list(_blocks(read_upto(journal, ref.journal_bytes)))
        self._base, self._base_bytes = ref.base, ref.base_bytes
        self._journal_blocks = len(blocks)
        self._journal = Journal(journal, ref.journal_bytes)
        self._drop_strays()
        return base, blocks

    def _drop_strays(self) -> None:
        """Files of this part that the reference does not name were never committed, or are done with."""
        assert self._journal is not None
        named = {self._base, self._journal.path.name}
        for pattern in (f"*-{self._part}-??????.base", f"*-{self._part}-??????.journal"):
            for stray in self._directory.glob(pattern):
                if stray.name not in named:
                    stray.unlink(missing_ok=True)

    def close(self) -> None:
        """Give back the file."""
        if self._journal is not None:
            self._journal.close()
