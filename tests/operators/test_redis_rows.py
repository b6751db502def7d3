"""Merchants that wait for Redis: the newest values of each, and who is written first."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from operators.batches import MerchantRows
from operators.changes import ALL_CHANGED
from operators.redis_pending import PendingMerchants
from operators.redis_rows import PendingRows, best_rows, publish_order
from schemas.windows import GMV, WINDOWS
from tests.operators.redis_rig import rows

ONE_HOUR = WINDOWS.index("1h")
MANY = 1_000_000


class Waiting(PendingMerchants):
    """With a clock that stands until it is moved, and with what waits in few words."""

    def __init__(self, *offers: MerchantRows) -> None:
        self.now_s = 0.0
        super().__init__(lambda: self.now_s)
        for offer in offers:
            self.offer(offer)

    def all(self) -> PendingRows:
        """Take everything."""
        taken = self.take(MANY)
        assert taken is not None
        return taken.rows

    def contents(self) -> dict[str, tuple[int, int, bool]]:
        """Take everything: merchant to value, windows that changed, urgency."""
        taken = self.take(MANY)
        if taken is None:
            return {}
        r = taken.rows
        columns = (r.measures[:, 0, 0].tolist(), r.changed.tolist(), r.urgent.tolist())
        return dict(zip(r.merchant_ids, zip(*columns, strict=True), strict=True))


def bit(window: str) -> int:
    return 0b1000001 << WINDOWS.index(window)


def test_the_newest_values_win() -> None:
    found = Waiting(rows("a", "b", value=1), rows("b", "c", value=2)).contents()
    assert {merchant: value for merchant, (value, _, _) in found.items()} == {"a": 1, "b": 2, "c": 2}


def test_what_changed_in_any_offer_stays_changed() -> None:
    found = Waiting(rows("a", windows=["1m"]), rows("a", windows=["day"])).all()
    assert found.changed.tolist() == [bit("1m") | bit("day")]


def test_a_merchant_stays_urgent_if_any_offer_was() -> None:
    found = Waiting(rows("a", urgent=True), rows("a", urgent=False), rows("b", urgent=False)).all()
    assert dict(zip(found.merchant_ids, found.urgent.tolist(), strict=True)) == {"a": True, "b": False}


def test_a_merchant_has_waited_since_its_oldest_offer() -> None:
    waiting = Waiting(rows("a"))
    waiting.now_s = 7.0
    waiting.offer(rows("a", "b"))
    assert waiting.oldest_s() == 0.0
    found = waiting.all()
    assert dict(zip(found.merchant_ids, found.since_s.tolist(), strict=True)) == {"a": 0.0, "b": 7.0}


def test_latency_counts_from_the_oldest_record_that_is_not_written() -> None:
    offers = [rows("a", arrived_ms=at_ms) for at_ms in (-1, 50, 90, -1)]
    assert Waiting(*offers).all().arrived_ms.tolist() == [50]


def test_rows_that_only_time_has_changed_have_no_latency() -> None:
    assert Waiting(rows("a", arrived_ms=50, urgent=False)).all().arrived_ms.tolist() == [-1]


def test_rows_of_a_held_shard_stay() -> None:
    waiting = Waiting(rows("a", shard=1), rows("b", shard=2))
    taken = waiting.take(MANY, held={1})
    assert taken is not None
    assert taken.rows.merchant_ids == ["b"]
    assert waiting.take(MANY, held={1}) is None


def test_what_is_taken_is_not_taken_again() -> None:
    waiting = Waiting(rows("a"))
    assert waiting.take(MANY) is not None
    assert waiting.take(MANY) is None


def test_what_is_written_waits_no_more() -> None:
    waiting = Waiting(rows("a"))
    taken = waiting.take(MANY)
    assert taken is not None
    assert len(waiting) == 1
    waiting.written(taken)
    assert (len(waiting), waiting.oldest_s()) == (0, None)


def test_a_merchant_that_is_offered_while_it_is_written_waits_with_what_changed_since() -> None:
    waiting = Waiting(rows("a", value=1, windows=["1m"]))
    taken = waiting.take(MANY)
    assert taken is not None
    waiting.offer(rows("a", value=2, windows=["day"], urgent=False))
    waiting.written(taken)
    assert waiting.contents() == {"a": (2, bit("day"), False)}


def test_rows_that_come_back_do_not_replace_newer_ones() -> None:
    waiting = Waiting(rows("a", value=1, windows=["1m"]))
    taken = waiting.take(MANY)
    assert taken is not None
    waiting.offer(rows("a", value=2, windows=["day"], urgent=False))
    waiting.put_back(taken)
    assert waiting.contents() == {"a": (2, bit("1m") | bit("day"), True)}


def test_an_outage_does_not_pile_rows_up() -> None:
    waiting = Waiting()
    merchants = [f"m{i}" for i in range(10_000)]
    for value in range(20):
        waiting.offer(rows(*merchants, value=value))
    assert len(waiting) == 10_000
    assert {value for value, _, _ in waiting.contents().values()} == {19}


def test_after_a_backlog_its_room_is_used_again() -> None:
    waiting = Waiting()
    for turn in range(5):
        merchants = [f"{turn}-{i}" for i in range(5_000)]
        waiting.offer(rows(*merchants, value=turn))
        taken = waiting.take(MANY)
        assert taken is not None
        assert sorted(taken.rows.merchant_ids) == sorted(merchants)
        waiting.written(taken)
    assert len(waiting) == 0


def test_after_a_loss_every_window_is_written() -> None:
    waiting = Waiting(rows("a", windows=["1m"]))
    waiting.mark_complete()
    assert waiting.all().changed.tolist() == [ALL_CHANGED]


@st.composite
def some_offers(draw: st.DrawFn) -> list[MerchantRows]:
    ids = st.lists(st.sampled_from("abcde"), unique=True, max_size=5)
    windows = st.lists(st.sampled_from(WINDOWS), unique=True)
    return [
        rows(*draw(ids), value=value, windows=draw(windows), urgent=draw(st.booleans()))
        for value in range(draw(st.integers(1, 8)))
    ]


@examples(deadline=None)
@given(some_offers(), st.data())
def test_rows_taken_and_put_back_in_between_change_nothing(
    offers: list[MerchantRows], data: st.DataObject
) -> None:
    disturbed = Waiting()
    for offer in offers:
        taken = disturbed.take(data.draw(st.integers(2, 5))) if data.draw(st.booleans()) else None
        disturbed.offer(offer)
        if taken is not None:
            disturbed.put_back(taken)
    assert disturbed.contents() == Waiting(*offers).contents()


def test_leaders_are_written_before_the_field() -> None:
    field = rows(*(f"m{i}" for i in range(100)), value=1, multiple=1.0)
    field.ratios[70, ONE_HOUR, 0] = 57.0
    field.measures[30, ONE_HOUR, GMV] = 10**9
    assert set(Waiting(field).all().merchant_ids[:3]) >= {"m70", "m30"}


def test_urgent_rows_are_written_before_those_that_only_time_has_changed() -> None:
    waiting = Waiting(rows("a", "b", multiple=1.0))
    waiting.now_s = 1.0
    waiting.offer(rows("quiet", urgent=False, multiple=50.0))
    assert waiting.all().merchant_ids[-1] == "quiet"


def field_with_one_old_straggler() -> Waiting:
    waiting = Waiting(rows("straggler", multiple=0.1))
    waiting.now_s = 5.0
    waiting.offer(rows(*(f"m{i}" for i in range(400)), value=2, multiple=1.0))
    return waiting


def test_one_in_four_is_written_by_age_so_that_nobody_waits_for_ever() -> None:
    assert "straggler" in field_with_one_old_straggler().all().merchant_ids[:4]


def test_of_a_great_backlog_the_best_and_the_oldest_are_taken() -> None:
    waiting = field_with_one_old_straggler()
    waiting.offer(rows("leader", value=2, multiple=57.0))
    waiting.offer(rows("giant", value=10**9))
    waiting.offer(rows("quiet", value=10**9, multiple=99.0, urgent=False))
    taken = waiting.take(20)
    assert taken is not None
    assert {"straggler", "leader", "giant"} <= set(taken.rows.merchant_ids)
    assert "quiet" not in taken.rows.merchant_ids
    assert 10 <= len(taken) <= 20


def test_a_great_backlog_is_taken_bit_by_bit_to_the_last() -> None:
    waiting = field_with_one_old_straggler()
    seen: list[str] = []
    while (taken := waiting.take(16)) is not None:
        seen += taken.rows.merchant_ids
        waiting.written(taken)
    assert sorted(seen) == sorted(["straggler", *(f"m{i}" for i in range(400))])


def test_choosing_all_keeps_every_candidate() -> None:
    field = Waiting(rows("a", "b", "c")).all()
    candidates = np.arange(3)
    assert best_rows(field, candidates, 3).tolist() == [0, 1, 2]
    assert sorted(publish_order(field, candidates).tolist()) == [0, 1, 2]
