"""The sentence that somebody acts on, of each milestone, in Chinese and in English."""

from __future__ import annotations

from typing import Final

from operators.calendar_days import clock_time
from schemas.windows import MINUTE_MS

_SENTENCES: Final = {
    "sales_multiple_1h": (
        "{name} 一小時業績達平常一整天的 {value} 倍，越過 {step} 倍（{clock}）",
        "{name}: one hour's sales reached {value} × an ordinary day's, past {step} × ({clock})",
    ),
    "sales_multiple_day": (
        "{name} 今日業績達平常一整天的 {value} 倍，越過 {step} 倍（{clock}）",
        "{name}: today's sales reached {value} × an ordinary day's, past {step} × ({clock})",
    ),
    "new_members_100": (
        "{name} 今日新會員滿 {step} 人（{clock}）",
        "{name}: new member number {step} of today ({clock})",
    ),
}


def told_of(rule: str, name: str, value: float, step: float, end_ms: int, zone: str) -> tuple[str, str]:
    """Both sentences. ``end_ms``: exclusive end of the closed minute, shown by the clock of ``zone``."""
    minutes = clock_time(end_ms, zone)[1] // MINUTE_MS
    fields = {
        "name": name,
        "value": f"{value:.1f}",
        "step": f"{step:g}",
        "clock": f"{minutes // 60:02d}:{minutes % 60:02d}",
    }
    zh, en = _SENTENCES[rule]
    return zh.format(**fields), en.format(**fields)
