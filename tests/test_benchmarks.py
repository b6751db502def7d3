"""What ``make bench`` and its sisters ask for. What the benchmarks find is no test."""

from __future__ import annotations

import platform
import statistics
from pathlib import Path

import msgspec
import pytest

from benchmarks import memory, results
from benchmarks.__main__ import EMBEDDED_BENCHMARKS, KAFKA_BENCHMARKS, asked
from benchmarks.results import Figure, Result
from loadgen.scenario import load


def test_without_a_name_every_benchmark_is_run_but_the_hour_and_what_others_contain() -> None:
    names, keep = asked([])
    assert set(names) == {*KAFKA_BENCHMARKS, *EMBEDDED_BENCHMARKS} - {"hour", "quick", "trouble-full"}
    assert keep


@pytest.mark.parametrize("name", ["quick", "hour"])
def test_a_name_stands_for_one_benchmark(name: str) -> None:
    assert asked([name, "--no-keep"]) == ([name], False)


def test_an_unknown_name_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        asked(["speed"])
    assert refused.value.code == 2
    said = capsys.readouterr().err
    assert "there is no benchmark 'speed'" in said
    assert "latency" in said


def test_the_page_shows_the_newest_run_of_each_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "LINES", tmp_path / "results.jsonl")
    monkeypatch.setattr(results, "PAGE", tmp_path / "RESULTS.md")
    for day, machine, rate in ((1, "large", 7_001.0), (2, "small", 5_002.0), (3, "large", 9_003.0)):
        figures = [Figure("flow", "orders/s", rate, rate, rate)]
        at = f"2020-11-0{day} 00:00 UTC"
        results.keep(Result("speed", "How fast?", figures, machine=machine, at=at, commit=f"abc{day}"))
    results.write_page()
    page = (tmp_path / "RESULTS.md").read_text()
    assert page.count("How fast?") == 1
    assert page.index("9,003") < page.index("abc3, large") < page.index("5,002") < page.index("abc2, small")
    assert "7,001" not in page


def test_processors_of_one_name_are_told_apart() -> None:
    cores = "processor\t: {n}\ncpu family\t: {family}\nmodel\t\t: 2\nmodel name\t: AMD EPYC\nflags\t: a b\n\n"
    older, newer = (
        results.processor("".join(cores.format(n=n, family=family) for n in range(2))) for family in (25, 26)
    )
    assert (older, newer) == ("AMD EPYC, family 25 model 2", "AMD EPYC, family 26 model 2")


def test_a_processor_that_says_nothing_of_itself_is_named_by_its_kind() -> None:
    assert results.processor("processor\t: 0\nBogoMIPS\t: 50.00\n") == platform.machine()


def test_memory_that_grows_by_a_mib_a_day_has_that_slope_between_each_two_days() -> None:
    assert memory.slopes([700.0, 701.0, 702.0, 703.0], seconds_a_day=600) == pytest.approx([6.0] * 6)


def test_one_day_that_the_host_disturbed_does_not_bend_the_slope_of_memory() -> None:
    assert statistics.median(memory.slopes([700.0, 700.0, 950.0, 700.0, 700.0], seconds_a_day=600)) == 0


def test_memory_is_measured_over_ordinary_days_that_follow_each_other(tmp_path: Path) -> None:
    days = [load(str(path)) for path in memory.scenarios(tmp_path)]
    assert [day.day for day in days] == [f"2019-12-0{4 + number}" for number in range(memory.DAYS)]
    assert all(msgspec.structs.replace(day, day=days[0].day) == days[0] for day in days)
