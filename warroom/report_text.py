"""The battle report as text, at most 80 cells wide."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from schemas.windows import DAY_MS, HOUR_MS, SALE
from warroom.cells import left, right, wrapped
from warroom.phrases import Language, Phrases, phrases_of
from warroom.report import BattleReport, MerchantStory

WIDTH: Final = 80
_RULE: Final = "─" * WIDTH
_NONE: Final = "–"
DAY_HOURS: Final = DAY_MS // HOUR_MS


def report_text(report: BattleReport, language: Language) -> str:
    """The whole report, ending in a newline."""
    words = phrases_of(language)
    if report.until_ms is None:
        return f"{words.title}\n{words.nothing}\n"
    lines = [
        "═" * WIDTH,
        f"  {words.title}",
        "═" * WIDTH,
        f"  {_stretch(report, words)}",
        *_totals(report, words),
    ]
    if report.watched:
        lines += ["", words.watched, _RULE]
        for story in report.watched:
            lines += _passage(story, report.timezone, report.window, words)
    if report.leaders:
        lines += ["", words.leaders, _RULE, _heading(words)]
        lines += [_row(place, story, report.timezone) for place, story in enumerate(report.leaders, 1)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def yuan(fen: int) -> str:
    """¥ with two decimals, exact: 12345 is ¥123.45."""
    sign = "-" if fen < 0 else ""
    return f"{sign}¥{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def times(multiple: float | None, decimals: int = 1) -> str:
    """A multiple for people; a dash where there is none."""
    return _NONE if multiple is None else f"{multiple:,.{decimals}f}"


def moment(at_ms: int, timezone: str, pattern: str) -> str:
    """A time of the clock in ``timezone``."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(timezone)).strftime(pattern)


def hour_ending(end_ms: int, timezone: str) -> str:
    """``12:00–13:00`` for the hour that ends (exclusively) at ``end_ms``."""
    return f"{moment(end_ms - HOUR_MS, timezone, '%H:%M')}–{moment(end_ms, timezone, '%H:%M')}"


def _stretch(report: BattleReport, words: Phrases) -> str:
    until = moment(report.until_ms or 0, report.timezone, "%m-%d %H:%M:%S")
    if report.window == SALE and report.sale_opens_ms is not None:
        opens = moment(report.sale_opens_ms, report.timezone, "%Y-%m-%d %H:%M")
        return words.since_opening.format(opens=opens, until=until, zone=report.timezone)
    day = moment(report.until_ms or 0, report.timezone, "%Y-%m-%d")
    return words.of_day.format(day=day, until=until, zone=report.timezone)


def _totals(report: BattleReport, words: Phrases) -> list[str]:
    counts = {words.orders: report.orders, words.units: report.units, words.merchants: report.merchants}
    amounts = {words.gmv: report.gmv_fen, words.refunds: report.refunds_fen}
    lines = [
        "  " + "   ".join(f"{what} {count:,}" for what, count in counts.items()),
        "  " + "   ".join(f"{what} {yuan(fen)}" for what, fen in amounts.items()),
    ]
    if report.views or report.new_members:
        people = {words.views: report.views, words.new_members: report.new_members}
        told = [f"{what} {count:,}" for what, count in people.items()]
        if report.private_traffic_share is not None:
            told.append(words.private_share.format(percent=_percent(report.private_traffic_share)))
        lines.append("  " + "   ".join(told))
    if report.sales_multiple is not None:
        lines.append("  " + words.total_multiple.format(multiple=times(report.sales_multiple, 2)))
    if report.merchants_without_baseline:
        lines.append("  " + words.without_baseline.format(count=f"{report.merchants_without_baseline:,}"))
    if report.late_events:
        lines.append("  " + words.late.format(count=f"{report.late_events:,}"))
    return lines


def _passage(story: MerchantStory, timezone: str, window: str, words: Phrases) -> list[str]:
    """A merchant's lines, as an article would tell them."""
    told: list[str] = []
    if story.peak_multiple is not None and story.peak_at_ms is not None:
        hour = hour_ending(story.peak_at_ms, timezone)
        told.append(words.peak.format(hour=hour, multiple=times(story.peak_multiple)))
    if story.peak_same_period_multiple is not None:
        more = story.peak_same_period_multiple >= 1
        told.append(
            (words.same_period if more else words.same_period_less).format(
                percent=f"{(story.peak_same_period_multiple - 1) * 100:,.0f}",
                multiple=times(story.peak_same_period_multiple, 2),
            )
        )
    if story.sale_12h_multiple is not None:
        told.append(words.sale_12h.format(multiple=times(story.sale_12h_multiple)))
    told.append(
        words.sums.format(
            orders=f"{story.orders:,}", gmv=yuan(story.gmv_fen), multiple=times(story.sales_multiple)
        )
    )
    if story.new_members:
        told += _joining(story, window, words)
    if story.views and story.private_traffic_share is not None:
        percent = _percent(story.private_traffic_share)
        told.append(words.traffic.format(views=f"{story.views:,}", percent=percent))
    first, *others = [line for one in told for line in wrapped(one, WIDTH - 14)]
    return [f"  {left(story.name, 12)}{first}", *(" " * 14 + line for line in others)]


def _joining(story: MerchantStory, window: str, words: Phrases) -> list[str]:
    """How many became members, and how long the first 100 took; only what is known."""
    text = words.joined_sale if window == SALE else words.joined_day
    text = text.format(count=f"{story.new_members:,}")
    if story.new_member_multiple is not None:
        text += words.joined_multiple.format(multiple=times(story.new_member_multiple))
    if story.hours_to_100_new_members is None:
        return [text]
    hundred = words.hundred.format(time=_duration(story.hours_to_100_new_members, words))
    if story.ordinary_hours_to_100_new_members is not None:
        ordinary = _duration(story.ordinary_hours_to_100_new_members, words)
        hundred += words.hundred_ordinary.format(time=ordinary)
    return [text, hundred]


def _duration(hours: float, words: Phrases) -> str:
    """Hours, or days where they are more than two."""
    if hours < 2 * DAY_HOURS:
        return words.hours.format(hours=times(hours))
    return words.days.format(days=times(hours / DAY_HOURS))


def _percent(share: float) -> str:
    return f"{share * 100:.1f}"


_WIDTHS: Final = (17, 10, 13, 12, 11, 13)
"""Cells of the leaderboard's columns, after the place's four."""


def _heading(words: Phrases) -> str:
    name, *others = words.columns
    cells = [right(text, width) for text, width in zip(others, _WIDTHS[1:], strict=True)]
    return "    " + left(name, _WIDTHS[0]) + "".join(cells)


def _row(place: int, story: MerchantStory, timezone: str) -> str:
    hour = _NONE if story.peak_at_ms is None else hour_ending(story.peak_at_ms, timezone)
    texts = (
        times(story.peak_multiple) + " ×",
        hour,
        times(story.peak_same_period_multiple, 2) + " ×",
        f"{story.orders:,}",
        f"¥{story.gmv_fen // 100:,}",
    )
    cells = [right(text, width) for text, width in zip(texts, _WIDTHS[1:], strict=True)]
    return right(f"{place} ", 4) + left(story.name, _WIDTHS[0]) + "".join(cells)
