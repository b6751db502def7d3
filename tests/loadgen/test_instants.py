"""Expected results at chosen instants, and in files of both kinds."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import msgspec
import polars as pl
import pytest

from loadgen.answer_files import read_answers, write_answers
from loadgen.cells import PAID
from loadgen.errors import LoadgenError
from loadgen.instants import Instants
from loadgen.oracle import Answers
from loadgen.plan import Plan, make_plan
from loadgen.run import asked
from loadgen.stream import blocks
from tests.loadgen.console import Loadgen
from tests.loadgen.days import answers_of, small_day
from tests.loadgen.fake_results import write_right_results

START_MS = 1_576_080_000_000
AT_MS = START_MS + 5_400_000  # 01:30
AT = "2019-12-12T01:30:00+08:00"
HOUR_MS = 3_600_000


@cache
def plan() -> Plan:
    return make_plan(small_day(8_000, hours=3), 4, 4)


@cache
def told() -> Answers:
    truth = Instants([AT_MS, START_MS + 600_000])
    for block in blocks(plan()):
        truth.add(block)
    return truth.answers(asked(plan()))


def test_at_an_instant_every_window_ends_there() -> None:
    at = told().instants[AT]
    assert list(told().instants) == ["2019-12-12T00:10:00+08:00", AT]
    assert at.windows["1h"] == (AT_MS - HOUR_MS, AT_MS)
    assert at.windows["day"] == (START_MS, AT_MS)


def test_at_an_instant_sums_and_people_equal_plain_counting_of_what_was_before_it() -> None:
    at = told().instants[AT]
    sold: dict[int, int] = {}
    seen: dict[int, set[int]] = {}
    for block in blocks(plan()):
        for facts in block.facts:
            for row, ms, code, fen in zip(
                facts.row, facts.event_ms, facts.code, facts.amount_fen, strict=True
            ):
                if code == PAID and AT_MS - HOUR_MS <= ms < AT_MS:
                    sold[int(row)] = sold.get(int(row), 0) + int(fen)
        for clicks in block.click_facts:
            for row, ms, person in zip(clicks.row, clicks.event_ms, clicks.where.person, strict=True):
                if AT_MS - HOUR_MS <= ms < AT_MS:
                    seen.setdefault(int(row), set()).add(int(person))
    assert len(sold) > 200
    for row, merchant_id in enumerate(plan().catalogue.merchant_ids):
        if merchant_id in at.merchants:
            expected = at.merchants[merchant_id]
            assert expected.measures["gmv:1h"] == sold.get(row, 0)
            assert expected.people["visitors:1h"] == len(seen.get(row, ()))


def test_the_end_is_as_it_is_without_instants() -> None:
    assert msgspec.structs.replace(told(), instants={}) == answers_of(plan())


@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_a_file_gives_back_what_was_written(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"oracle.{suffix}"
    write_answers(path, told())
    assert read_answers(path) == told()
    assert read_answers(path, "01:30") == read_answers(path, AT) == told().instants[AT]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_parquet_has_a_row_a_merchant_and_window_at_each_instant(tmp_path: Path) -> None:
    path = tmp_path / "oracle.parquet"
    write_answers(path, told())
    rows = pl.read_parquet(path).filter(at=AT, merchant_id="waipojia")
    assert rows["window"].to_list() == ["", "1m", "5m", "1h", "12h", "day", "sale"]
    hour = rows.row(by_predicate=pl.col("window") == "1h", named=True)
    expected = told().instants[AT].merchants["waipojia"]
    assert hour["at_ms"] == AT_MS
    assert hour["measures.gmv"] == expected.measures["gmv:1h"]
    assert hour["multiples.sales_multiple"] == expected.multiples["sales_multiple:1h"]
    assert hour["people.visitors"] == expected.people["visitors:1h"]


def test_the_command_writes_instants_and_verify_compares_with_one(
    broker: str, redis_url: str, tmp_path: Path, loadgen: Loadgen
) -> None:
    oracle, metrics = tmp_path / "oracle.parquet", tmp_path / "verify.prom"
    done = loadgen("run", "double12-2019", "--brokers", broker, "--create-topics", "--orders", "5000",
                   "--hours", "2", "--max", "--oracle", str(oracle), "--at", "00:30", "--at", AT)  # fmt: skip
    assert done.code == 0, done.err
    expected = read_answers(oracle, "00:30")
    merchant_id = next(iter(expected.merchants))
    right = write_right_results(redis_url, "t:", expected)
    check = ("verify", "--oracle", str(oracle), "--redis", redis_url, "--prefix", "t:", "--at", "00:30",
             "--metrics-file", str(metrics))  # fmt: skip
    done = loadgen(*check)
    assert done.code == 0, done.out
    assert 'loadgen_verify_differences{scenario="double12-2019"} 0.0' in metrics.read_text()
    right.hincrby(f"t:merchant:{merchant_id}", "gmv:1h", 1)
    done = loadgen(*check)
    assert done.code == 1
    assert merchant_id in done.out
    assert 'loadgen_verify_differences{scenario="double12-2019"} 1.0' in metrics.read_text()


class TestBadInput:
    @pytest.mark.parametrize(
        ("at", "told_"),
        [
            ("noon", "--at 'noon': write a time of day like 12:00 or 18:30:05"),
            ("25:00", "--at '25:00': write a time of day like 12:00 or 18:30:05"),
            ("12:00:01", "--at '12:00:01': windows end at multiples of five seconds; give one of those"),
            ("2019-12-12T12:00:00", "--at '2019-12-12T12:00:00': write a time with its offset"),
        ],
    )
    def test_an_instant_that_is_none_is_told(
        self, at: str, told_: str, broker: str, tmp_path: Path, loadgen: Loadgen
    ) -> None:
        done = loadgen(
            "run", "double12-2019", "--brokers", broker, "--oracle", str(tmp_path / "o"), "--at", at
        )
        assert done.code == 2
        assert done.err.startswith(f"loadgen: {told_}")

    def test_an_instant_without_an_oracle_is_told(self, loadgen: Loadgen) -> None:
        done = loadgen("run", "double12-2019", "--at", "12:00")
        assert (done.code, done.err) == (
            2,
            "loadgen: --at says when the oracle is asked; add --oracle FILE\n",
        )

    def test_an_instant_that_the_file_lacks_is_told_with_those_there_are(self, tmp_path: Path) -> None:
        write_answers(tmp_path / "o.json", told())
        with pytest.raises(
            LoadgenError, match=f"has no instant '12:00'; it has 2019-12-12T00:10:00.08:00, {AT[:16]}"
        ):
            read_answers(tmp_path / "o.json", "12:00")

    def test_a_parquet_file_that_is_no_oracle_is_told(self, tmp_path: Path) -> None:
        pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "o.parquet")
        with pytest.raises(LoadgenError, match="not an oracle file of loadgen run --oracle"):
            read_answers(tmp_path / "o.parquet")

    @pytest.mark.parametrize("name", ["oracle.json", "oracle.parquet"])
    def test_a_disk_that_fills_leaves_no_half_oracle_and_says_what_was_sent(
        self, name: str, broker: str, tmp_path: Path
    ) -> None:
        """The file may have 4,096 bytes: the nearest thing to a full disk without being root."""
        program = (
            "import resource; from loadgen import answer_files, cli; write = answer_files.write_answers\n"
            "def full(*a):\n    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); write(*a)\n"
            "import loadgen.run; loadgen.run.write_answers = full; cli.main()"
        )
        command = [
            sys.executable,
            "-c",
            program,
            "run",
            "double12-2019",
            "--brokers",
            broker,
            "--create-topics",
        ]
        command += ["--orders", "5000", "--hours", "1", "--max", "--oracle", str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith(f"loadgen: {tmp_path / name}: cannot be written: ")
        assert done.stderr.endswith("; all events were sent, their expected results are lost\n")
        assert done.stderr.count("\n") == 1
        assert list(tmp_path.iterdir()) == []


def test_the_json_of_an_oracle_stays_readable_for_people(tmp_path: Path) -> None:
    write_answers(tmp_path / "o.json", told())
    text = (tmp_path / "o.json").read_text()
    assert text.startswith('{\n "scenario": "double12-2019",')
    assert json.loads(text)["instants"][AT]["newest_ms"] == AT_MS - 1
