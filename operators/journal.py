"""Append-only files with lengths that somebody else remembers.

What is appended counts only once the length has been committed elsewhere (in Bytewax's recovery store);
whatever stands behind the committed length is cut off before the next run appends.
"""

from __future__ import annotations

import os
from pathlib import Path


class Journal:
    """One append-only file. Opening it for appending cuts it to ``length`` bytes."""

    def __init__(self, path: Path, length: int = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.length = length
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        os.ftruncate(self._file, length)
        os.lseek(self._file, length, os.SEEK_SET)

    def append(self, block: bytes | memoryview) -> None:
        """Write a block behind the last one. Raises ``OSError`` that names the file when the disk is full."""
        view = memoryview(block).cast("B")
        while len(view):
            try:
                written = os.write(self._file, view)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(self.path)) from None
            view = view[written:]
            self.length += written

    def close(self) -> None:
        """Give back the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def read_upto(path: Path, length: int) -> bytes:
    """The first ``length`` bytes of a file.

    Raises ``OSError`` if it is not there, ``ValueError`` if it is shorter than was committed.
    """
    with path.open("rb") as file:
        data = file.read(length)
    if len(data) < length:
        raise ValueError(f"{path} holds {len(data)} bytes, but {length} were committed: it has been cut")
    return data


class Retired:
    """Files that no coming snapshot names, deleted once no resume can name them either.

    Bytewax resumes at most a few epochs back: an epoch begins only when the one before is through.
    """

    KEPT_SNAPSHOTS = 10

    def __init__(self) -> None:
        self._waiting: list[tuple[int, Path]] = []
        self._snapshots = 0

    def add(self, path: Path) -> None:
        """Delete ``path`` some snapshots from now."""
        self._waiting.append((self._snapshots, path))

    def snapshot_taken(self) -> None:
        """Count a snapshot and delete what has waited long enough."""
        self._snapshots += 1
        while self._waiting and self._waiting[0][0] + self.KEPT_SNAPSHOTS < self._snapshots:
            self._waiting.pop(0)[1].unlink(missing_ok=True)
