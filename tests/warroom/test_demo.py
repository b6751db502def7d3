"""The demo: a small night on real servers, and a verdict that notices every difference."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from rich.cells import cell_len

from loadgen.difference import Difference
from loadgen.oracle import Answers, Peak, Story
from warroom.demo_check import verdict_of, verdict_text
from warroom.demo_people import Joined, People
from warroom.phrases import LANGUAGES, Language
from warroom.report import BattleReport, MerchantStory
from warroom.report_text import WIDTH

REPORT = BattleReport(
    timezone="Asia/Shanghai",
    window="sale",
    sale_opens_ms=0,
    until_ms=1,
    watermark_ms=1,
    orders=10,
    units=10,
    gmv_fen=1_000,
    refunds_fen=5,
    sales_multiple=None,
    merchants=1,
    merchants_without_baseline=0,
    late_events=0,
    leaders=[],
    watched=[MerchantStory("w", "外婆家", 10, 1_000, 5, 2.0, 57.0, 3_600_000, 2.7, 13.0)],
)
ANSWERS = Answers(
    scenario="small",
    newest_ms=1,
    sale_open_ms=0,
    timezone="Asia/Shanghai",
    windows={},
    events={},
    dead_letters={"malformed": 1, "invalid": 0, "late": 2, "future": 0},
    duplicates={"orders": 3, "clicks": 2},
    clicks=True,
    totals={
        **{"orders:sale": 10, "gmv:sale": 1_000, "refunds:sale": 5},
        **{"views:sale": 90, "carts:sale": 7, "favorites:sale": 4, "new_members:sale": 367},
    },
    merchants={},
    story={
        "w": Story(
            "外婆家", 10, 1_000, Peak(570, 3_600_000, 57.0, 2.7), 130, 13.0, 43_200_000, 367, 22.002398, 9.9
        )
    },
)
DEAD = {"malformed": 1, "late": 2}
TWICE = {"orders": 3, "clicks": 2}
PEOPLE = People(
    {"w": Joined(367, 22.002398, 9.9)},
    {"views:sale": 90, "carts:sale": 7, "favorites:sale": 4, "new_members:sale": 367},
)


def test_verdict_agrees_when_every_number_does() -> None:
    verdict = verdict_of(REPORT, ANSWERS, DEAD, TWICE, PEOPLE, [])
    assert [c.what_en for c in verdict.checks if not c.agrees] == []
    assert verdict.agrees


STORY = REPORT.watched[0]


@pytest.mark.parametrize(
    ("report", "what"),
    [
        (msgspec.structs.replace(REPORT, orders=11), "all orders"),
        (msgspec.structs.replace(REPORT, gmv_fen=1_001), "all GMV"),
        (msgspec.structs.replace(REPORT, refunds_fen=4), "all refunds"),
        (
            msgspec.structs.replace(
                REPORT, watched=[msgspec.structs.replace(STORY, peak_multiple=57.000001)]
            ),
            "外婆家 peak hour ÷ day",
        ),
        (
            msgspec.structs.replace(REPORT, watched=[msgspec.structs.replace(STORY, sale_12h_multiple=None)]),
            "外婆家 sale at +12 h ÷ day",
        ),
    ],
)
def test_verdict_names_the_one_number_that_differs(report: BattleReport, what: str) -> None:
    verdict = verdict_of(report, ANSWERS, DEAD, TWICE, PEOPLE, [])
    assert [c.what_en for c in verdict.checks if not c.agrees] == [what]
    assert not verdict.agrees


def test_verdict_notices_a_missing_merchant() -> None:
    verdict = verdict_of(msgspec.structs.replace(REPORT, watched=[]), ANSWERS, DEAD, TWICE, PEOPLE, [])
    assert len([c for c in verdict.checks if not c.agrees]) == 5


def test_verdict_notices_dead_letters_and_duplicates() -> None:
    verdict = verdict_of(REPORT, ANSWERS, {"malformed": 1, "late": 1}, {"orders": 4, "clicks": 1}, PEOPLE, [])
    assert [c.what_en for c in verdict.checks if not c.agrees] == [
        "dead letters: late",
        "duplicate orders",
        "duplicate clicks",
    ]


def test_verdict_notices_one_member_too_few_and_a_hundred_a_minute_too_late() -> None:
    people = People({"w": Joined(366, 22.002398, 9.916667)}, {**PEOPLE.totals, "views:sale": 91})
    verdict = verdict_of(REPORT, ANSWERS, DEAD, TWICE, people, [])
    assert [c.what_en for c in verdict.checks if not c.agrees] == [
        "外婆家 new members",
        "外婆家 hours to 100 members",
        "all views",
    ]


def test_verdict_of_a_night_without_clicks_asks_for_none() -> None:
    quiet = msgspec.structs.replace(ANSWERS, clicks=False)
    assert verdict_of(REPORT, quiet, DEAD, TWICE, People(), []).agrees


def test_one_field_of_one_merchant_is_enough_to_disagree() -> None:
    verdict = verdict_of(REPORT, ANSWERS, DEAD, TWICE, PEOPLE, [Difference("m7", "gmv:1h", "5", "4")])
    assert not verdict.agrees
    assert "✗ m7 gmv:1h: 4, oracle 5" in verdict_text(verdict, "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_verdict_fits_eighty_cells(language: Language) -> None:
    lines = verdict_text(verdict_of(REPORT, ANSWERS, DEAD, TWICE, PEOPLE, []), language).splitlines()
    assert max(cell_len(line) for line in lines) <= WIDTH


@pytest.mark.timeout(300)
def test_small_night_agrees_with_the_oracle_on_real_servers(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "warroom", "demo", "--once", "--lang", "en"),
            *("--orders", "60000", "--speed", "5000", "--json", "report.json"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All agree, to the last fen." in done.stdout
    assert done.stdout.startswith("The wall: http://127.0.0.1:")
    told = json.loads((tmp_path / "report.json").read_text())
    assert told["agrees"] is True
    by_id = {story["merchant_id"]: story for story in told["report"]["watched"]}
    assert by_id["waipojia"]["peak_multiple"] == 57.0
    assert by_id["zhengongfu"]["peak_same_period_multiple"] == 2.7
    assert by_id["ledazui"]["sale_12h_multiple"] == 13.0


def test_demo_that_cannot_start_its_load_says_why_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "warroom", "demo", "--once", "--orders", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("warroom: loadgen ended with exit code ")
