"""Remembered orders across restarts: one append-only file of hashes for every live slice.

A snapshot appends what is new and names files and lengths; its cost follows what arrived in the epoch, not
what is held. A slice that passes is dropped with its file, whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from operators.dedup import Dedup
from operators.journal import Journal, Retired, read_upto


class SliceRef(NamedTuple):
    """One slice on disk: its number, the end of its event time, its newest event, its file and bytes."""

    number: int
    end_ms: int
    last_ms: int
    file: str
    length: int


DedupState = tuple[SliceRef, ...]


class DedupStore:
    """Files of one partition's remembered orders in ``directory``, named anew in every run."""

    def __init__(self, directory: Path, run: str) -> None:
        self._directory = directory
        self._run = run
        self._journals: dict[int, Journal] = {}
        self._retired = Retired()

    def save(self, dedup: Dedup) -> DedupState:
        """Append what is new since the last call; the reference to all of it."""
        refs = []
        live = set()
        for table in dedup:
            live.add(table.number)
            journal = self._journals.get(table.number)
            if journal is None:
                journal = Journal(self._directory / f"{self._run}-{table.number:08d}.keys")
                self._journals[table.number] = journal
            for keys in table.keys:
                journal.append(keys.data)
            table.keys.clear()
            refs.append(
                SliceRef(table.number, table.end_ms, table.last_ms, journal.path.name, journal.length)
            )
        for number in [n for n in self._journals if n not in live]:
            journal = self._journals.pop(number)
            journal.close()
            self._retired.add(journal.path)
        self._retired.snapshot_taken()
        return tuple(refs)

    def load(self, state: DedupState, dedup: Dedup) -> None:
        """Fill ``dedup`` from files; appending goes on where the snapshot ended.

        Raises ``OSError`` or ``ValueError`` if a file is missing or shorter than committed.
        """
        for ref in state:
            path = self._directory / ref.file
            keys = np.frombuffer(read_upto(path, ref.length), np.uint64)
            dedup.restore(ref.number, ref.end_ms, ref.last_ms, keys)
            self._journals[ref.number] = Journal(path, ref.length)
        named = {ref.file for ref in state}
        for stray in self._directory.glob("*.keys"):
            if stray.name not in named:
                stray.unlink(missing_ok=True)

    def close(self) -> None:
        """Give back files."""
        for journal in self._journals.values():
            journal.close()
