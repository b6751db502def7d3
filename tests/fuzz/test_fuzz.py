"""Whatever arrives, no event is lost, and no configuration is answered with more than a line.

A million messages: ``make fuzz``.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from operators.batches import Lane
from schemas.events import overlong
from tests.fuzz.baselines import kept
from tests.fuzz.messages import account, click_lane, clicks, order_lane, orders
from tests.fuzz.mutations import events_in, mutated
from warroom.config import load
from warroom.errors import ConfigurationError
from warroom.settings import Settings
from warroom.wiring import options_of


@pytest.mark.parametrize(
    ("lane", "corpus"), [(order_lane, orders), (click_lane, clicks)], ids=["orders", "clicks"]
)
def test_every_event_of_fifty_thousand_damaged_messages_is_counted_or_a_dead_letter(
    lane: Callable[[], Lane], corpus: Callable[[int], list[bytes]]
) -> None:
    found = account(lane(), corpus(3), 50_000, seed=3)
    assert found.missing == 0
    assert found.sent > 50_000
    assert min(found.counted, found.duplicates, found.dead) > 2_000


def test_every_one_of_five_thousand_damaged_baselines_is_kept_by_a_shard_or_a_dead_letter() -> None:
    found = kept(5_000, seed=3)
    assert found.missing == 0
    assert found.sent == 5_000
    assert min(found.taken, found.dead) > 500
    ids = [shard.merchants.text(row) for shard in found.shards for row in range(len(shard.merchants))]
    assert len(ids) > 100
    assert not any(overlong(merchant_id) for merchant_id in ids)


def test_damage_is_the_same_for_the_same_seed_and_leaves_some_messages_whole() -> None:
    corpus = orders(1, 50)
    first, again, other = (next(mutated(corpus, 500, seed)) for seed in (4, 4, 5))
    assert first == again != other
    assert 50 < sum(value in corpus for value in first) < 450


def test_blank_lines_are_no_events_and_a_message_without_any_is_one() -> None:
    assert events_in([b"a\n \r\n\tb", b" \n", b""]) == 2 + 1 + 1


def toml_of(settings: Settings) -> list[str]:
    """Every setting on a line of its own."""
    lines = []
    for section in type(settings).model_fields:
        lines.append(f"[{section}]")
        table = getattr(settings, section)
        for key in type(table).model_fields:
            value = getattr(table, key)
            if isinstance(value, bool):
                lines.append(f"{key} = {str(value).lower()}")
            elif isinstance(value, int | float):
                lines.append(f"{key} = {value}")
            elif isinstance(value, tuple):
                lines.append(f"{key} = {list(value)}")
            elif isinstance(value, str | Path):
                lines.append(f'{key} = "{value}"')
    return lines


VALUES = [
    "0", "1e999", "nan", "-inf", "9" * 40, "true", '""', '"\\u0000"', '"x"', "[]", "[[1]]", "{}", '{a = 1}',
    "2019-12-12", "2019-12-12T00:00:00Z", "00:00:01", '"../../etc"', '"redis://u:p@[::1:x/0"', "0x7f", '"外"',
    "1979-05-27T07:32:00.999999999", "'''a\nb'''", "[1, 'a', {}]",
]  # fmt: skip


def another_value(lines: list[str], rng: random.Random) -> None:
    at = rng.randrange(len(lines))
    lines[at] = lines[at].partition("=")[0] + "= " + rng.choice(VALUES)


def another_line(lines: list[str], rng: random.Random) -> None:
    lines.insert(rng.randrange(len(lines)), rng.choice(lines))


def another_byte(lines: list[str], rng: random.Random) -> None:
    at = rng.randrange(len(lines))
    line = lines[at]
    place = rng.randrange(len(line) + 1)
    lines[at] = (
        line[:place] + rng.choice("[]{}=\"'.#\\ \t\x00\x7f外0aZ_-,") + line[place + rng.randrange(2) :]
    )


def no_line(lines: list[str], rng: random.Random) -> None:
    lines.pop(rng.randrange(len(lines)))


DAMAGE: tuple[Callable[[list[str], random.Random], None], ...] = (
    another_value,
    another_line,
    another_byte,
    no_line,
)


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_configuration_is_valid_or_answered_in_one_line(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    whole = toml_of(load(environment={}).settings)
    file = tmp_path / "night.toml"
    valid = refused = 0
    for _ in range(800):
        lines = [*whole]
        for _ in range(rng.choice([1, 1, 2, 5])):
            rng.choice(DAMAGE)(lines, rng)
        file.write_text("\n".join(lines), encoding="utf-8")
        try:
            options_of(load(file, {}).settings)
            valid += 1
        except ConfigurationError as error:
            refused += 1
            assert error.exit_code == 2
            assert "\n" not in str(error), lines
            assert str(error)
    assert min(valid, refused) > 20


@pytest.mark.parametrize(
    "damage", [b"\xff\xfe[kafka]", b"\x00", b"[kafka\n", b"[[kafka]]\n", b"kafka = 1", b"a.b.c = 1"]
)
def test_a_file_that_is_no_configuration_is_answered_in_one_line(tmp_path: Path, damage: bytes) -> None:
    file = tmp_path / "night.toml"
    file.write_bytes(damage)
    with pytest.raises(ConfigurationError) as refused:
        load(file, {})
    assert "\n" not in str(refused.value)
