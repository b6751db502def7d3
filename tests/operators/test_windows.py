"""Windows, watermark, lateness, days and peaks, by event time alone."""

from __future__ import annotations

from operators.batches import Standing
from operators.delta import ShardBaselines
from schemas.windows import DAY_MS, HOUR_MS, MINUTE_MS
from tests.operators.night import DAY_START_MS, WarRoom, encoded, flat_baseline, order, rules


def at(hour: int = 0, minute: int = 0, second: float = 0) -> int:
    """A time of the day in Shanghai."""
    return DAY_START_MS + hour * HOUR_MS + minute * MINUTE_MS + round(second * 1000)


class Night(WarRoom):
    """Sends plain orders with numbers of their own."""

    count = 0

    def sell(self, at_ms: int, merchant: str = "m1", partition: int = 0, **fields: int | str) -> None:
        Night.count += 1
        self.send(partition, [encoded(order(Night.count, merchant, at_ms, **fields))])

    def value(self, field: str, merchant: str = "m1") -> float | None:
        found = self.results()[merchant].get(field)
        return None if found is None else float(found)


def test_the_last_millisecond_of_an_hour_sees_exactly_that_hour() -> None:
    night = Night(rules())
    night.sell(at(0, 59, 59.999) - HOUR_MS, amount=1)  # 23:59:59.999 of the day before
    night.sell(at(0), amount=10)
    night.sell(at(0, 59, 59.999), amount=100)
    assert night.value("gmv:1h") == 110


def test_an_order_at_a_buckets_end_counts_in_the_next_bucket() -> None:
    night = Night(rules())
    night.sell(at(1), amount=1)
    night.sell(at(1, 0, 59.999), amount=10)
    assert night.value("gmv:1m") == 11
    night.sell(at(1, 1), amount=100)  # the minute's first bucket leaves
    assert night.value("gmv:1m") == 110


def test_each_sliding_window_keeps_its_own_number_of_buckets() -> None:
    night = Night(rules(sale_opens_ms=None))
    night.sell(at(0), amount=1)
    night.sell(at(11, 54), amount=10)
    night.sell(at(11, 58), amount=100)
    night.sell(at(11, 59, 59), amount=1000)
    fields = night.results()["m1"]
    assert [fields[f"gmv:{w}"] for w in ("1m", "5m", "1h", "12h", "day", "sale")] == [
        1000,
        1100,
        1110,
        1111,
        1111,
        0,
    ]
    night.sell(at(12), amount=5)
    assert night.value("gmv:12h") == 1115


def test_a_quiet_merchants_windows_fall_when_others_move_time_on() -> None:
    night = Night(rules())
    night.sell(at(1), "quiet", amount=7)
    night.sell(at(1, 30), "busy")
    assert night.value("gmv:5m", "quiet") == 0
    assert night.value("gmv:1h", "quiet") == 7
    night.sell(at(3), "busy")
    assert night.value("gmv:1h", "quiet") == 0
    assert night.value("gmv:day", "quiet") == 7


def test_a_new_day_begins_at_midnight_of_the_merchants_own_time_zone() -> None:
    night = Night(rules())
    night.know(flat_baseline("tokyo", timezone="Asia/Tokyo"))
    for merchant in ("m1", "tokyo"):
        night.sell(at(22, 30), merchant, amount=1)
    night.sell(at(23, 30), "m1", amount=10)  # 00:30 in Tokyo
    assert (night.value("gmv:day"), night.value("gmv:day", "tokyo")) == (11, 0)
    night.sell(at(24), "m1", amount=100)
    assert night.value("gmv:day") == 100
    assert night.value("gmv:sale") == 111


def test_a_day_of_twenty_three_hours_ends_at_its_own_midnight() -> None:
    night = Night(rules(timezone="Europe/Berlin", sale_opens_ms=None))
    midnight_ms = 1_585_436_400_000  # 2020-03-29T00:00:00+01:00, the clock goes forward at 02:00
    night.sell(midnight_ms, amount=1)
    night.sell(midnight_ms + 23 * HOUR_MS - 1, amount=10)
    assert night.value("gmv:day") == 11
    night.sell(midnight_ms + 23 * HOUR_MS, amount=100)
    assert night.value("gmv:day") == 100


def test_there_is_no_watermark_until_every_partition_has_been_heard() -> None:
    night = Night(rules(2))
    night.sell(at(5), partition=0)
    assert night.shards[0].clock.watermark_ms == -1
    night.sell(at(4), partition=1)
    assert night.shards[0].clock.watermark_ms == at(4) - 5000


def test_an_idle_partition_does_not_hold_the_watermark_and_a_live_one_does() -> None:
    night = Night(rules(2))
    night.sell(at(4), partition=1)
    night.sell(at(5), partition=0)
    night.stand(1, Standing.LIVE)
    assert night.shards[0].clock.watermark_ms == at(4) - 5000
    night.stand(1, Standing.IDLE)
    assert night.shards[0].clock.watermark_ms == at(5) - 5000


def test_the_watermark_never_falls_when_an_idle_partition_speaks_again() -> None:
    night = Night(rules(2))
    night.sell(at(4), partition=1)
    night.sell(at(5), partition=0)
    night.stand(1, Standing.IDLE)
    night.sell(at(4, 30), partition=1)
    assert night.shards[0].clock.watermark_ms == at(5) - 5000


def test_a_partition_that_runs_ahead_makes_nothing_late() -> None:
    night = Night(rules(2, sale_opens_ms=None))
    night.sell(at(1), partition=1, amount=1)
    night.sell(at(23), partition=0, amount=10)
    night.sell(at(1, 0, 1), partition=1, amount=100)
    assert night.dead_letters == []
    assert night.value("gmv:day") == 111


def test_an_event_older_than_every_kept_bucket_is_late_and_not_added() -> None:
    night = Night(rules())
    night.sell(at(13), amount=1)
    night.sell(at(-13), amount=10)  # 11:00 of the day before: out of 12h, out of the day, before the sale
    (letter,) = night.dead_letters
    assert (letter.reason, letter.offset) == ("late", 1)
    assert letter.value is not None
    assert b'"amount":10,' in letter.value
    fields = night.results()["m1"]
    assert (fields["gmv:12h"], fields["gmv:day"], fields["gmv:sale"]) == (1, 1, 1)


def test_an_old_event_counts_as_long_as_its_day_lasts() -> None:
    night = Night(rules(sale_opens_ms=None))
    night.sell(at(23), amount=1)
    night.sell(at(0, 1), amount=10)
    assert night.dead_letters == []
    fields = night.results()["m1"]
    assert (fields["gmv:12h"], fields["gmv:day"]) == (1, 11)


def test_the_sale_keeps_its_whole_stretch() -> None:
    night = Night(rules())
    night.sell(at(24 * 5), amount=1)
    night.sell(at(1), amount=10)
    assert night.dead_letters == []
    assert night.value("gmv:sale") == 11


def test_a_partition_back_from_silence_has_its_late_events_dead_lettered_with_their_bytes() -> None:
    night = Night(rules(2, sale_opens_ms=None))
    night.sell(at(1), partition=1)
    night.sell(at(1), partition=0)
    night.stand(1, Standing.IDLE)
    night.sell(at(40), partition=0)
    night.sell(at(1, 1), partition=1, amount=77)
    (letter,) = night.dead_letters
    assert letter.value is not None
    assert b'"amount":77,' in letter.value


def test_no_baseline_no_multiple() -> None:
    night = Night(rules())
    night.sell(at(1))
    assert not any("multiple" in field for field in night.results()["m1"])


def test_a_baseline_of_zero_gives_no_multiple() -> None:
    night = Night(rules())
    night.know(flat_baseline("m1", gmv=0.0, orders=0.0))
    night.sell(at(1))
    assert not any("multiple" in field for field in night.results()["m1"])


def test_multiples_compare_with_the_day_and_with_the_same_stretch_of_the_clock() -> None:
    night = Night(rules())
    shares = [0.0] * 24
    shares[12], shares[13] = 0.75, 0.25
    night.know(flat_baseline("m1", gmv=1000.0, orders=10.0, hourly_share=shares))
    night.sell(at(12, 59, 59), amount=1500)
    fields = night.results()["m1"]
    assert (fields["sales_multiple:1h"], fields["orders_multiple:1h"]) == (1.5, 0.1)
    assert fields["same_period_multiple:1h"] == 2.0
    assert fields["same_period_multiple:day"] == 2.0
    night.sell(at(13, 29, 59), amount=250)  # 12:30 to 13:30: half of 0.75 and half of 0.25
    assert night.value("same_period_multiple:1h") == 1750 / 500


def test_a_newer_baseline_takes_effect_and_a_removed_one_takes_its_multiples_away() -> None:
    night = Night(rules())
    night.know(flat_baseline("m1", gmv=100.0))
    night.sell(at(1), amount=300)
    assert night.value("sales_multiple:day") == 3
    night.know(flat_baseline("m1", gmv=50.0))
    assert night.value("sales_multiple:day") == 6
    shard = next(s for s in night.shards if len(s.merchants))
    progress = night.lanes[0].pulse(Standing.LIVE).to_shards[0][1].progress
    shard.take_baselines(ShardBaselines(shard.number, progress, [("m1", None)]))
    assert night.value("sales_multiple:day") is None


def test_the_peak_is_the_greatest_closed_hour_and_the_earliest_of_equal_ones() -> None:
    night = Night(rules())
    night.know(flat_baseline("m1", gmv=100.0))
    night.sell(at(2, 10), amount=500)
    night.sell(at(4, 10), amount=500)
    night.end()
    assert (night.value("peak"), night.value("peak_at")) == (5, at(2, 11))
    night.sell(at(4, 20), amount=1)
    night.end()
    assert (night.value("peak"), night.value("peak_at")) == (5.01, at(4, 21))


def test_an_open_minute_makes_no_peak_yet() -> None:
    night = Night(rules())
    night.know(flat_baseline("m1", gmv=100.0))
    night.sell(at(2, 10), amount=500)
    night.sell(at(2, 11, 4.999))
    assert night.value("peak") is None
    night.sell(at(2, 11, 5))
    assert night.value("peak") == 5


def test_an_event_behind_the_watermark_counts_in_windows_but_revises_no_peak() -> None:
    night = Night(rules())
    night.know(flat_baseline("m1", gmv=100.0))
    night.sell(at(2, 10), amount=500)
    night.sell(at(2, 12), amount=0)
    night.sell(at(2, 10, 1), amount=900)
    assert (night.value("peak"), night.value("gmv:1h")) == (5, 1400)


def test_the_end_of_a_bounded_run_closes_the_last_minute() -> None:
    night = Night(rules())
    night.know(flat_baseline("m1", gmv=100.0))
    night.sell(at(2, 10), amount=500)
    night.end()
    assert (night.value("peak"), night.value("peak_at")) == (5, at(2, 11))


def test_refunds_and_cancellations_are_refunds_and_created_orders_are_nothing_yet() -> None:
    night = Night(rules())
    for status, amount in (("paid", 1), ("refunded", 10), ("cancelled", 100), ("created", 1000)):
        night.sell(at(1), status=status, amount=amount, quantity=3)
    fields = night.results()["m1"]
    assert [fields[f"{m}:day"] for m in ("orders", "units", "gmv", "refunds")] == [1, 3, 1, 110]


def test_days_of_silence_are_bridged() -> None:
    night = Night(rules())
    night.know(flat_baseline("m1", gmv=100.0))
    night.sell(at(1), amount=500)
    night.sell(at(24 * 400), amount=7)
    fields = night.results()["m1"]
    assert (fields["gmv:day"], fields["gmv:1h"], fields["gmv:sale"]) == (7, 7, 507)
    assert (fields["peak"], fields["peak_at"]) == (5, at(1, 1))
    assert night.shards[0].clock.newest_ms == DAY_START_MS + 400 * DAY_MS
