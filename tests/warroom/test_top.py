"""The live table: who leads, how fast, how far behind; readable at 80 × 24."""

from __future__ import annotations

import msgspec
import pytest
from rich.cells import cell_len

from schemas.results import MerchantResult
from warroom.metrics_reader import Vitals
from warroom.reader import Clock, Merchant
from warroom.settings import Settings
from warroom.table import HEIGHT, METRICS, Snapshot, View, picture, rate_per_second
from warroom.top import Screen, obey

OPENS_MS = 1_576_080_000_000


def merchant(name: str, multiple: float | None = 57.0) -> Merchant:
    multiples = {} if multiple is None else {"sales_multiple:1h": multiple, "same_period_multiple:1h": 2.7}
    result = MerchantResult(
        merchant_id="m1",
        name=name,
        measures={"orders:1h": 123_456, "gmv:1h": 9_876_543_210},
        multiples=multiples,
        peak_sales_multiple_1h=multiple,
        peak_at_ms=OPENS_MS,
        peak_same_period_multiple_1h=None,
        event_time_ms=OPENS_MS,
        updated_at_ms=OPENS_MS,
    )
    return Merchant(result, 2_000_000.0)


def snapshot(
    *, leaders: list[Merchant] | None = None, events: int = 0, workers_up: int = 2, taken_s: float = 10.0
) -> Snapshot:
    vitals = Vitals(workers_up=workers_up, lag_messages=1_234)
    vitals.events["accepted"] = events
    return Snapshot(
        taken_s=taken_s,
        wall_ms=1_700_000_000_400,
        clock=Clock(3, OPENS_MS + 40_000, OPENS_MS + 45_000, 1_700_000_000_000, 2, 0),
        totals={"orders:sale": 5, "gmv:sale": 123_45, "sales_multiple:sale": 1.5},
        leaders=leaders if leaders is not None else [merchant("外婆家")],
        alerts=0,
        vitals=vitals,
    )


def lines_of(now: Snapshot, rate: float | None = None, height: int = HEIGHT) -> list[str]:
    return [line.plain for line in picture(now, rate, View(), "Asia/Shanghai", 2, height)]


def test_table_shows_time_totals_pulse_and_leaders() -> None:
    lines = lines_of(snapshot(), rate=34_567.8)
    assert lines[0].startswith(" WARROOM   2019-12-12 00:00:45  Asia/Shanghai")
    assert lines[0].endswith("run 3")
    assert lines[1] == " sale: 5 orders   ¥123.45   1.50 × an ordinary day"
    assert lines[2] == " rate 34,568/s   lag 1,234   watermark −5 s   written 0.4 s ago   workers 2/2"
    assert lines[5].split() == ["1", "外婆家", "57.0", "2.70", "57.0", "123,456", "¥98,765,432"]


def test_table_fits_eighty_by_twenty_four_whatever_is_in_it() -> None:
    lines = lines_of(snapshot(leaders=[merchant("非常非常非常長的名字" * 3)] * 50), rate=1_234_567.0)
    assert len(lines) <= 24
    assert max(cell_len(line) for line in lines) <= 80


def test_table_on_a_low_terminal_has_fewer_merchants() -> None:
    assert len(lines_of(snapshot(leaders=[merchant("a")] * 50), height=12)) <= 12


def test_merchant_without_a_baseline_has_dashes() -> None:
    assert lines_of(snapshot(leaders=[merchant("a", None)]))[5].split()[2:5] == ["–", "–", "–"]


def test_metrics_of_clicks_have_columns_of_their_own() -> None:
    result = merchant("美儷家族").result
    joined = msgspec.structs.replace(
        result,
        measures={"new_members:day": 367, "views:day": 5_200, "gmv:day": 1_234_500},
        multiples={"new_member_multiple:day": 22.0, "private_traffic_share:day": 0.6254},
    )
    view = View("new_member_multiple", "day")
    lines = [p.plain for p in picture(snapshot(leaders=[Merchant(joined, None)]), None, view, "UTC", 2)]
    assert lines[4].split() == [
        "merchant",
        "new",
        "day",
        "new×",
        "day",
        "own",
        "views",
        "views",
        "GMV",
        "day",
    ]
    assert lines[5].split() == ["1", "美儷家族", "367", "22.0", "62.5", "%", "5,200", "¥12,345"]
    assert lines[-1].startswith(" by new_member_multiple ")
    assert max(cell_len(line) for line in lines) <= 80


def test_rate_is_events_a_second_of_the_wall_clock() -> None:
    before = snapshot(events=1_000, taken_s=10.0)
    assert rate_per_second(before, snapshot(events=2_500, taken_s=12.0)) == 750.0


def test_rate_is_unknown_at_first_and_while_no_worker_answers() -> None:
    now = snapshot(events=2_500, taken_s=12.0)
    assert rate_per_second(None, now) is None
    assert rate_per_second(snapshot(workers_up=0), now) is None


def test_rate_is_not_negative_after_a_restart() -> None:
    assert rate_per_second(snapshot(events=9_000), snapshot(events=10, taken_s=11.0)) == 0.0


def test_place_of_alerts_says_when_there_are_none_and_how_many_there_are() -> None:
    assert lines_of(snapshot())[-2] == " alerts: none"
    some = snapshot()
    lines = [line.plain for line in picture(replaced(some, alerts=3), None, View(), "Asia/Shanghai", 2)]
    assert lines[-2] == " alerts: 3 active"


def replaced(now: Snapshot, alerts: int) -> Snapshot:
    return Snapshot(now.taken_s, now.wall_ms, now.clock, now.totals, now.leaders, alerts, now.vitals)


@pytest.mark.parametrize(("key", "shown"), [("m", View("gmv", "1h")), ("w", View("sales_multiple", "12h"))])
def test_keys_change_metric_and_window(key: str, shown: View) -> None:
    screen = Screen(Settings(), reader=None, view=View())  # type: ignore[arg-type] # keys read nothing
    assert obey(screen, key) is True
    assert screen.view == shown


def test_key_q_ends_the_table() -> None:
    screen = Screen(Settings(), reader=None, view=View())  # type: ignore[arg-type] # keys read nothing
    assert obey(screen, "q") is False
    assert obey(screen, "") is True


def test_metrics_go_round() -> None:
    view = View()
    for _ in METRICS:
        view = view.next_metric()
    assert view == View()
