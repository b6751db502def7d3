"""``warroom report``: print the battle report from the results in Redis."""

from __future__ import annotations

import msgspec

from warroom.phrases import Language
from warroom.reader import ResultsReader
from warroom.report import Asked, battle_report
from warroom.report_text import report_text
from warroom.settings import Settings, milliseconds


def print_report(
    settings: Settings, merchants: tuple[str, ...], leaders: int, language: Language, as_json: bool
) -> None:
    """Write the report to standard output. Raises ``WarroomError``.

    ``merchants``: those told about; none: those that the configuration watches.
    """
    opens = settings.sale.opens
    asked = Asked(
        watched=merchants or settings.engine.series_watch,
        sale_opens_ms=None if opens is None else milliseconds(opens),
        timezone=settings.engine.timezone,
        leaders=leaders,
        least_orders=settings.engine.leaderboard_min_orders,
    )
    reader = ResultsReader(settings.redis.url, settings.redis.prefix)
    try:
        report = battle_report(reader, asked)
    finally:
        reader.close()
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        print(report_text(report, language), end="")
