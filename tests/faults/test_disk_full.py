"""The disk under the state directory fills up: one line, a clean end, and on from there with room."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.stage import ONE_BY_ONE, Stage
from warroom.waiting import wait_until

STORE_BYTES = 256 * 1024 * 1024


@contextmanager
def small_disk(at: Path) -> Iterator[Path]:
    """A small file system; whoever runs the tests must be root or may make a user namespace."""
    at.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={STORE_BYTES}", "warroom-test", str(at)], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


@ONE_BY_ONE
@pytest.mark.timeout(240)
def test_full_disk_ends_the_run_in_one_line_and_with_room_nothing_is_missing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, Stage(tmp_path) as stage:
        room = stage.war_room(state=disk / "state")
        load = stage.load(seed=8, seconds=10.0, orders=50_000)
        stage.is_counting(room)
        filler = disk / "somebody-elses.log"
        fill(filler)
        assert room.process.wait(60) == 1, room.said()
        said = room.said().strip().splitlines()
        assert said[-1].startswith(f"warroom: {disk / 'state'}") or said[-1].startswith(
            "warroom: state dir"
        ), said
        assert "no space left on device" in said[-1]
        assert said[-1].endswith("make room and start again: the next run goes on from the last snapshot")
        assert "Traceback" not in room.said()

        filler.unlink()
        again = stage.war_room(state=disk / "state")
        stage.loaded(load)
        assert again.ask(signal.SIGUSR1) == 0, again.said()
        assert stage.differences() == "", again.said()


def fill(file: Path) -> None:
    """Take all the room there is."""
    with file.open("wb", buffering=0) as out:

        def full() -> bool:
            try:
                return not out.write(bytes(4 * 1024 * 1024))
            except OSError:
                return True

        assert wait_until(full, 30)
