"""The state directory: whose it is, what it was made for, and that one run at a time has it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bytewax.recovery import init_db_dir

from warroom.errors import StateMismatchError, WarroomError

LAYOUT_VERSION: Final = 2
"""Grows with every change of what is kept; state of another version is refused, never half-read."""
LAYOUT_FILE: Final = "layout.json"
EPOCHS: Final = "epochs"


@dataclass(frozen=True, slots=True)
class Layout:
    """What state was made for: it is meaningless for anything else."""

    cluster_id: str
    partitions: dict[str, int]  # topic -> its partitions
    snapshot_partitions: int
    version: int = LAYOUT_VERSION


class StateDirectory:
    """A directory with snapshots, held by this process until it is closed.

    Raises ``StateMismatchError`` for state of another layout, ``WarroomError`` where another run has it
    or it cannot be written.
    """

    def __init__(self, directory: Path, layout: Layout) -> None:
        self.directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise WarroomError(f"state directory {directory}: {error.strerror}") from None
        try:
            self._hold()
            self._claim(layout)
        except BaseException:
            os.close(self._lock)
            raise

    @property
    def epochs(self) -> Path:
        """Bytewax's recovery store."""
        return self.directory / EPOCHS

    def close(self) -> None:
        """Let another run have it."""
        os.close(self._lock)

    def _hold(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise WarroomError(
                f"state directory {self.directory} is in use by another run; end that, or choose another"
            ) from None

    def _claim(self, layout: Layout) -> None:
        file = self.directory / LAYOUT_FILE
        if file.exists():
            _compare(file, layout)
        else:
            self._refuse_strangers()
            shutil.rmtree(self.epochs, ignore_errors=True)  # a start that was cut off left it half made
            self.epochs.mkdir()
            init_db_dir(self.epochs, layout.snapshot_partitions)  # type: ignore[no-untyped-call]
            # Last, and in one step: a directory without it was never used.
            fresh = file.with_suffix(".tmp")
            fresh.write_text(json.dumps(asdict(layout), indent=2) + "\n")
            fresh.replace(file)

    def _refuse_strangers(self) -> None:
        strangers = {p.name for p in self.directory.iterdir()} - {"lock", EPOCHS, "layout.tmp"}
        if strangers:
            raise StateMismatchError(
                f"state directory {self.directory} holds {min(strangers)} but no {LAYOUT_FILE}; "
                "choose an empty or a new directory"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _compare(file: Path, wanted: Layout) -> None:
    try:
        held = json.loads(file.read_text())
        known = Layout(**held)
    except (OSError, ValueError, TypeError):
        version = held.get("version") if isinstance(held := _json_or_none(file), dict) else None
        raise StateMismatchError(
            f"{file}: layout {version or 'unreadable'}, this is layout {LAYOUT_VERSION}; {_CURE}"
        ) from None
    for name, before, now in (
        ("layout", known.version, wanted.version),
        ("Kafka cluster", known.cluster_id, wanted.cluster_id),
        ("topics and partitions", _told(known.partitions), _told(wanted.partitions)),
        ("snapshot partitions", known.snapshot_partitions, wanted.snapshot_partitions),
    ):
        if before != now:
            raise StateMismatchError(f"{file}: state is of {name} {before}, this run's is {now}; {_CURE}")


SPARE_BYTES: Final = 1024 * 1024
"""Bytewax's store does not say when it has no room: less than this is none."""


def is_full(directory: Path) -> bool:
    """Whether the disk under the state has no room worth the name."""
    try:
        return shutil.disk_usage(directory).free < SPARE_BYTES
    except OSError:
        return False


def no_room(where: str, reason: str) -> str:
    """The sentence for a disk that is full."""
    return (
        f"{where}: {reason.lower()}; make room and start again: the next run goes on from the last snapshot"
    )


_CURE: Final = "go back to what it was, or choose another --state and count anew"


def _told(partitions: dict[str, int]) -> str:
    return ", ".join(f"{topic}/{count}" for topic, count in sorted(partitions.items()))


def _json_or_none(file: Path) -> object:
    try:
        held: object = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    return held
