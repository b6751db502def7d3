"""The roll-ups across restarts: what each epoch added, in a journal; now and then the whole state."""

from __future__ import annotations

from pathlib import Path

from operators.rollups import RollupRules, Rollups
from operators.state_files import FilesRef, RebaseTurns, StateFiles

_TAKEN = 0


class RollupStore:
    """Files of the roll-ups in ``directory``; new ones carry the name of this run."""

    def __init__(self, directory: Path, run: str, turns: RebaseTurns) -> None:
        self._files = StateFiles(directory, "rollups", run, turns)

    def save(self, rollups: Rollups) -> FilesRef:
        """Bring the journal up to now; the reference that names it. Raises ``OSError`` on a full disk."""
        self._files.add(_TAKEN, rollups.taken())
        return self._files.save(rollups.dump, rollups.nbytes)

    def load(self, ref: FilesRef, rules: RollupRules) -> Rollups:
        """The roll-ups as they were when ``ref`` was made.

        Raises ``OSError`` or ``ValueError`` if a file is missing, was cut or has another layout.
        """
        base, blocks = self._files.load(ref)
        rollups = Rollups(rules) if base is None else Rollups.load(base, rules)
        for _, block in blocks:
            rollups.replay(block)
        rollups.clock.resume(rules.sources, rules.lateness_ms)
        rollups.touch()
        return rollups

    def close(self) -> None:
        """Give back the file."""
        self._files.close()
