"""The state directory belongs to one layout and to one run at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from warroom.errors import StateMismatchError, WarroomError
from warroom.state_directory import LAYOUT_FILE, LAYOUT_VERSION, Layout, StateDirectory

LAYOUT = Layout("cluster-a", {"orders": 4, "baselines": 1}, snapshot_partitions=2)


def open_and_close(directory: Path, layout: Layout = LAYOUT) -> None:
    StateDirectory(directory, layout).close()


def changed(**fields: Any) -> Layout:  # noqa: ANN401
    return Layout(**{**{f: getattr(LAYOUT, f) for f in LAYOUT.__slots__}, **fields})


def test_new_directory_gets_a_recovery_store_of_the_partitions_asked_for(tmp_path: Path) -> None:
    open_and_close(tmp_path / "deep" / "state")
    assert len(list((tmp_path / "deep" / "state" / "epochs").glob("part-*.sqlite3"))) == 2


def test_directory_is_opened_again_by_the_same_layout(tmp_path: Path) -> None:
    open_and_close(tmp_path)
    store = next((tmp_path / "epochs").iterdir())
    before = store.stat().st_mtime_ns
    open_and_close(tmp_path)
    assert store.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"partitions": {"orders": 6, "baselines": 1}}, "topics and partitions baselines/1, orders/4,"),
        ({"partitions": {"sales": 4, "baselines": 1}}, "this run's is baselines/1, sales/4;"),
        ({"cluster_id": "cluster-b"}, "state is of Kafka cluster cluster-a, this run's is cluster-b;"),
        ({"version": 99}, f"state is of layout {LAYOUT_VERSION}, this run's is 99;"),
        ({"snapshot_partitions": 3}, "state is of snapshot partitions 2, this run's is 3;"),
    ],
)
def test_state_of_something_else_is_refused(tmp_path: Path, fields: dict[str, Any], sentence: str) -> None:
    open_and_close(tmp_path)
    with pytest.raises(StateMismatchError) as caught:
        open_and_close(tmp_path, changed(**fields))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / LAYOUT_FILE}: ")
    assert sentence in message
    assert message.endswith("go back to what it was, or choose another --state and count anew")


def test_layout_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    open_and_close(tmp_path)
    (tmp_path / LAYOUT_FILE).write_text("{")
    with pytest.raises(StateMismatchError, match=f"layout unreadable, this is layout {LAYOUT_VERSION};"):
        open_and_close(tmp_path)


def test_layout_file_of_another_shape_is_refused_by_its_version(tmp_path: Path) -> None:
    open_and_close(tmp_path)
    (tmp_path / LAYOUT_FILE).write_text(json.dumps({"version": 7, "colour": "red"}))
    with pytest.raises(StateMismatchError, match=f"layout 7, this is layout {LAYOUT_VERSION};"):
        open_and_close(tmp_path)


def test_directory_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(StateMismatchError, match=r"holds thesis\.doc but no layout\.json"):
        open_and_close(tmp_path)


def test_directory_that_was_left_half_made_is_made_anew(tmp_path: Path) -> None:
    open_and_close(tmp_path)
    (tmp_path / LAYOUT_FILE).unlink()
    open_and_close(tmp_path)
    assert (tmp_path / LAYOUT_FILE).exists()


def test_second_run_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    with StateDirectory(tmp_path, LAYOUT), pytest.raises(WarroomError, match="is in use by another run;"):
        open_and_close(tmp_path)


def test_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WarroomError, match=r"^state directory .*/file/state: Not a directory$"):
        open_and_close(tmp_path / "file" / "state")
