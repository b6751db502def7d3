"""A run that was thought dead and comes back writes nothing any more."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.faults.stage import ONE_BY_ONE, PATIENCE_SECONDS, Stage
from tests.faults.watcher import Watcher


@ONE_BY_ONE
@pytest.mark.timeout(300)
def test_a_run_that_stood_still_while_another_took_over_stops_and_changes_nothing(tmp_path: Path) -> None:
    """The second counts anew from the topics, with a state directory of its own."""
    with Stage(tmp_path) as stage, Watcher(stage.redis_server.url) as watcher:
        first = stage.war_room(state=tmp_path / "state")
        load = stage.load(seed=3, seconds=12.0, orders=50_000)
        stage.is_counting(first)
        first.tell(signal.SIGSTOP)

        second = stage.war_room(state=tmp_path / "state-elsewhere")
        assert second.says("run 2: 2 workers started")
        stage.writes(second)
        fence = stage.results().get("warroom:fence")
        first.tell(signal.SIGCONT)

        assert first.process.wait(PATIENCE_SECONDS) == 1, first.said()
        assert f"warroom: run 2 writes to {stage.redis.address}/0 now; " in first.said()
        assert "this is run 1, which has been replaced and stops" in first.said()
        assert stage.results().get("warroom:fence") == fence == "2"
        stage.loaded(load)
        assert second.ask(signal.SIGUSR1) == 0, second.said()
        assert stage.differences() == "", second.said()
    assert watcher.fallen == []
    assert watcher.values_seen > 100
