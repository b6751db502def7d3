"""``loadgen plot``: arrivals and multiples of a scenario, looked at before it is run."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

from loadgen import scenario as scenarios
from loadgen.outlook import Outlook, outlook
from loadgen.picture import HEIGHT, LEFT, PLOT, WIDTH, picture
from loadgen.stream import blocks
from tests.loadgen.console import Loadgen
from tests.loadgen.days import plan_of, small_day

SVG = "{http://www.w3.org/2000/svg}"


@cache
def story() -> Outlook:
    return outlook(small_day(20_000))


@cache
def drawn() -> ElementTree.Element:
    return ElementTree.fromstring(picture(story()))


def texts() -> list[str]:
    return [element.text or "" for element in drawn().iter(f"{SVG}text")]


def test_every_event_that_is_sent_is_in_the_arrivals() -> None:
    sent = sum(int(m.events.sum()) for b in blocks(plan_of(small_day(20_000))) for m in b.messages)
    assert story().events == sum(int(counts.sum()) for counts in story().arrivals.values()) == sent
    assert {len(counts) for counts in story().arrivals.values()} == {86_400}


def test_the_multiples_are_those_that_the_night_is_remembered_by() -> None:
    waipojia = story().multiples["外婆家"]
    assert float(waipojia.max()) == pytest.approx(57.0, abs=1e-9)
    assert int(waipojia.argmax()) == 13 * 60 - 1
    assert next(iter(story().multiples)) == "all"
    assert set(story().multiples) == {"all", "外婆家", "真功夫", "美儷家族", "樂大嘴"}


def test_a_peak_is_where_the_scenario_puts_it() -> None:
    spike = outlook(msgspec.structs.replace(scenarios.load("midnight-spike"), orders=100_000))
    busiest = int(spike.arrivals["orders"].argmax())
    assert 5 <= busiest <= 40


def test_blocks_of_generation_leave_no_steps_in_the_arrivals() -> None:
    """The spike's plateau, 30 s made in blocks of 10 s: no second is crowded."""
    spike = outlook(msgspec.structs.replace(scenarios.load("midnight-spike"), orders=400_000))
    plateau = spike.arrivals["orders"][6:34]
    assert plateau.max() < 1.35 * np.median(plateau)


def test_the_picture_names_everybody_with_the_peak_and_its_time() -> None:
    assert "外婆家 57.00×" in texts()
    assert "at 13:00:00" in texts()
    assert "双12, 12 December 2019" in texts()
    assert any(text.startswith("double12-2019 · 2019-12-12 Asia/Shanghai · ") for text in texts())
    assert {"00:00", "12:00", "24:00"} <= set(texts())


def test_all_of_it_is_inside_the_picture() -> None:
    for path in drawn().iter(f"{SVG}path"):
        commands = path.attrib["d"].replace("M", " ").replace("L", " ").replace("Z", "")
        if "H" not in commands and "V" not in commands:
            numbers = [float(n) for n in commands.split()]
            assert all(LEFT - 1 <= x <= LEFT + PLOT + 1 for x in numbers[::2])
            assert all(0 <= y <= HEIGHT for y in numbers[1::2])
    assert all(0 <= float(e.attrib["x"]) < WIDTH for e in drawn().iter(f"{SVG}text"))


def test_names_do_not_cover_each_other() -> None:
    right = [e for e in drawn().iter(f"{SVG}text") if float(e.attrib["x"]) > LEFT + PLOT]
    names = sorted(float(e.attrib["y"]) for e in right if not (e.text or "").startswith("at "))
    assert len(names) == 7
    assert all(below - above >= 30 for above, below in pairwise(names))


@pytest.mark.parametrize(("suffix", "magic"), [("svg", b"<svg "), ("png", b"\x89PNG")])
def test_the_command_writes_both_kinds(suffix: str, magic: bytes, tmp_path: Path, loadgen: Loadgen) -> None:
    path = tmp_path / f"look.{suffix}"
    done = loadgen("plot", "double12-2019", "--orders", "5000", "--hours", "2", "-o", str(path))
    assert done.code == 0, done.err
    assert path.read_bytes().startswith(magic)
    assert done.out.startswith(f"{path}: double12-2019, ")


class TestBadInput:
    def test_another_kind_of_picture_is_told(self, tmp_path: Path, loadgen: Loadgen) -> None:
        done = loadgen(
            "plot", "double12-2019", "--orders", "5000", "--hours", "1", "-o", str(tmp_path / "a.pdf")
        )
        assert (done.code, done.err) == (
            2,
            f"loadgen: {tmp_path}/a.pdf: a picture's name ends in .svg or .png\n",
        )

    def test_a_disk_that_is_full_is_told(self, tmp_path: Path) -> None:
        full = tmp_path / "full.svg"
        full.symlink_to("/dev/full")
        command = [sys.executable, "-m", "loadgen.cli", "plot", "double12-2019", "-o", str(full)]
        command += ["--orders", "5000", "--hours", "1"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (
            2, f"loadgen: {full}: cannot be written: No space left on device\n"
        )  # fmt: skip
