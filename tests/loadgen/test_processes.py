"""One run from several processes: the same bytes, one account, one oracle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.loadgen.console import Loadgen
from tests.loadgen.consumed import read_topic


def run(loadgen: Loadgen, broker: str, folder: Path, processes: int, *more: str) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    files = ("--summary", str(folder / "summary.json"), "--oracle", str(folder / "oracle.json"))
    done = loadgen("run", "double12-2019", "--brokers", broker, "--create-topics", "--orders", "5000",
                   "--hours", "1", "--topic-orders", f"orders{processes}", "--processes", str(processes),
                   "--topic-clicks", f"clicks{processes}",
                   *files, *(more or ("--max",)))  # fmt: skip
    assert done.code == 0, done.err
    told: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return told


def arrived(broker: str, topic: str) -> list[tuple[Any, ...]]:
    return [(m.partition(), m.value(), m.key(), m.timestamp()[1]) for m in read_topic(broker, topic, 4)]


def test_every_partition_has_the_same_bytes_from_one_two_or_three_processes(
    broker: str, tmp_path: Path, loadgen: Loadgen
) -> None:
    alone = run(loadgen, broker, tmp_path / "1", 1)
    same = ("events", "events_sent", "messages_sent", "bytes_sent", "complete", "messages_unanswered")
    for processes in (2, 3):
        told = run(loadgen, broker, tmp_path / str(processes), processes)
        for topic in ("orders", "clicks"):
            assert arrived(broker, f"{topic}{processes}") == arrived(broker, f"{topic}1")
        oracles = [(tmp_path / str(number) / "oracle.json").read_bytes() for number in (1, processes)]
        assert oracles[0] == oracles[1]
        assert {key: told[key] for key in same} == {key: alone[key] for key in same}
        assert (told["processes"], sum(told["messages"].values())) == (processes, alone["messages_sent"])


def test_a_rate_is_shared_by_the_processes(broker: str, tmp_path: Path, loadgen: Loadgen) -> None:
    told = run(loadgen, broker, tmp_path, 2, "--rate", "4000")
    assert told["rate_reached"] <= 4_400
    assert told["seconds"] >= 1.2
