"""What ``make bench`` and its sisters ask for. What the benchmarks find is no test."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.__main__ import EMBEDDED_BENCHMARKS, KAFKA_BENCHMARKS, asked
from benchmarks.results import Figure, Result


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
