"""A recorded day in the shape of UserBehavior of Taobao: Redis shows what the file says, plainly counted.

The file is made here: user,item,category,action,timestamp without a header, users in no order of time, one
category with more visitors than are counted exactly.
"""

from __future__ import annotations

import csv
import os
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis

from operators.people_distinct import EXACT_PEOPLE
from operators.people_registers import GROWING_ERROR, SLIDING_ERROR, TOTAL_ERROR
from warroom.children import free_port
from warroom.services import EmbeddedBroker, EmbeddedRedis, create_topics

USERS, CATEGORIES, ROWS = 5_000, 30, 20_000
DAY_BEGINS, DAY_BEGINS_S = "2017-11-26T00:00:00+08:00", 1_511_625_600
STANDARD_ERRORS = 4  # exceeded by chance once in 16,000
RATES = {"cart_rate": "cart", "favorite_rate": "fav", "order_rate": "buy"}
Fields = dict[str, str]


@dataclass(slots=True)
class Counted:
    """What the rows of one category, or of all, say."""

    actions: Counter[str] = field(default_factory=Counter)
    visitors: set[str] = field(default_factory=set)
    bought: Counter[str] = field(default_factory=Counter)


def write_file(path: Path) -> None:
    rng = random.Random(649)
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        for _ in range(ROWS):
            category = min(int(rng.paretovariate(0.7)), CATEGORIES)
            action = rng.choices(["pv", "cart", "fav", "buy"], [89, 6, 3, 2])[0]
            at_s = DAY_BEGINS_S + rng.randrange(86_400)
            user = 1 + min(rng.randrange(USERS), rng.randrange(USERS))
            rows.writerow([user, rng.randrange(10**6), 4_000_000 + category, action, at_s])


def count_file(path: Path) -> tuple[dict[str, Counted], Counted]:
    """By category, and in all, straight from the rows."""
    by_category: dict[str, Counted] = defaultdict(Counted)
    everything = Counted()
    with path.open(newline="") as file:
        for user, _, category, action, _ in csv.reader(file):
            for counted in (by_category[category], everything):
                counted.actions[action] += 1
                if action == "buy":
                    counted.bought[user] += 1
                else:
                    counted.visitors.add(user)
    return dict(by_category), everything


@dataclass(frozen=True, slots=True)
class Shown:
    """What the file says, and what Redis shows after a replay of it."""

    categories: dict[str, Counted]
    everything: Counted
    merchants: dict[str, Fields]
    total: Fields
    unknown_channel: Fields
    verdict: str


pytestmark = pytest.mark.xdist_group("recorded day")  # one process, which plays it once


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    directory = tmp_path_factory.mktemp("taobao")
    recorded = directory / "UserBehavior.csv"
    write_file(recorded)
    categories, everything = count_file(recorded)
    oracle = str(directory / "oracle.json")
    with EmbeddedBroker() as broker, EmbeddedRedis() as server:
        create_topics(broker.address)
        brokers = ("--brokers", broker.address)
        run(
            *("loadgen.cli", "replay", str(recorded), "--format", "taobao-userbehavior", *brokers),
            *("--max", "--oracle", oracle),
        )
        run(
            *("warroom", "run", "--bounded", "--sale-opens", DAY_BEGINS, *brokers, "--redis", server.url),
            *("--state", str(directory / "state"), "--metrics-port", str(free_port())),
        )
        verdict = run("loadgen.cli", "verify", "--oracle", oracle, "--redis", server.url)
        client = redis.Redis.from_url(server.url, decode_responses=True)
        merchants: dict[str, Fields] = {c: client.hgetall(f"warroom:merchant:c{c}") for c in categories}  # type: ignore[misc]
        total: Fields = client.hgetall("warroom:rollup:total:all")  # type: ignore[assignment]
        unknown: Fields = client.hgetall("warroom:rollup:channel:unknown")  # type: ignore[assignment]
        client.close()
    yield Shown(categories, everything, merchants, total, unknown, verdict)


def run(module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_file_has_categories_that_are_counted_exactly_and_one_that_is_estimated(day: Shown) -> None:
    visitors = sorted(len(counted.visitors) for counted in day.categories.values())
    assert visitors[0] < EXACT_PEOPLE < visitors[-1]


def test_visitors_of_every_category_are_those_of_the_file_within_the_documented_error(day: Shown) -> None:
    for category, counted in day.categories.items():
        told, there = int(day.merchants[category]["visitors:day"]), len(counted.visitors)
        if there <= EXACT_PEOPLE:
            assert told == there
        else:
            assert told == pytest.approx(there, rel=STANDARD_ERRORS * GROWING_ERROR)


def test_buyers_and_repeat_buyers_of_every_category_are_exactly_those_of_the_file(day: Shown) -> None:
    for category, counted in day.categories.items():
        fields = day.merchants[category]
        assert int(fields.get("buyers:day", 0)) == len(counted.bought)
        assert int(fields.get("repeat_buyers:day", 0)) == sum(n > 1 for n in counted.bought.values())


@pytest.mark.parametrize(("row", "error"), [("total", TOTAL_ERROR), ("unknown_channel", SLIDING_ERROR)])
def test_people_of_all_categories_together_count_once(day: Shown, row: str, error: float) -> None:
    fields: Fields = getattr(day, row)
    for name, people in (("visitors", day.everything.visitors), ("buyers", day.everything.bought)):
        assert int(fields[f"{name}:day"]) == pytest.approx(len(people), rel=STANDARD_ERRORS * error)


def test_the_funnel_of_every_category_and_of_all_is_the_quotient_of_the_files_rows(day: Shown) -> None:
    for counted, fields in [
        *((day.categories[c], day.merchants[c]) for c in day.categories),
        (day.everything, day.total),
        (day.everything, day.unknown_channel),
    ]:
        views = counted.actions["pv"]
        told = {rate: float(fields[f"{rate}:day"]) for rate in RATES}
        assert told == {rate: round(counted.actions[action] / views, 6) for rate, action in RATES.items()}


def test_verify_finds_nothing_wrong_against_the_oracle_of_the_replay(day: Shown) -> None:
    assert "all right" in day.verdict.lower()
