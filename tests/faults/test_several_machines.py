"""One cluster on two machines, each with its own supervisor: the same flags on both but for ``--index``."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.faults.machines import two_machines
from tests.faults.stage import ONE_BY_ONE, Stage

PORT = 20_000 + os.getpid() % 10_000


@ONE_BY_ONE
@pytest.mark.timeout(300)
def test_two_machines_count_together_and_start_again_together_when_a_worker_dies(tmp_path: Path) -> None:
    with two_machines() as (here, there, host), Stage(tmp_path, host) as stage:
        hosts = f"{here.address}:{PORT},{there.address}:{PORT}"
        rooms = [
            stage.war_room(
                *("--hosts", hosts, "--index", str(index)),
                state=tmp_path / f"state-{index}",
                within=machine.within,
            )
            for index, machine in enumerate((here, there))
        ]
        load = stage.load(31, 12.0, 50_000)
        stage.is_counting(rooms[0])
        os.kill(rooms[1].workers()[0], signal.SIGKILL)
        for room in rooms:
            assert room.says("run 2: 1 workers started"), room.said()
        stage.writes(rooms[0])
        stage.loaded(load)
        for room in rooms:
            room.process.send_signal(signal.SIGUSR1)
        for room in rooms:
            assert room.process.wait(90) == 0, room.said()
        assert stage.differences() == "", rooms[0].said()
        with stage.results() as client:
            # Both have written, so both have counted.
            assert client.hexists("warroom:meta", "writes:0") and client.hexists("warroom:meta", "writes:1")
