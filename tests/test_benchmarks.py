"""What ``make bench`` and its sisters ask for. What the benchmarks find is no test."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import EMBEDDED_BENCHMARKS, KAFKA_BENCHMARKS, asked


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
