"""The alerts beside the milestones that the oracle knows: each once, none that nobody expects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
import redis

from loadgen.difference import Difference, same
from loadgen.oracle_alerts import Milestone
from schemas import redis_layout
from schemas.alerts import Alert

CERTAIN_A_MINUTE: Final = 20
"""So many of one minute are told by whoever keeps the merchants; of more, the least may be left out."""
STREAM_KEEPS: Final = 10_000


def alert_differences(
    client: redis.Redis, prefix: str, expected: Mapping[str, Milestone]
) -> Iterator[Difference]:
    """Alerts that are missing, told twice, unexpected, or that say another number."""
    entries: list[tuple[str, dict[str, str]]] = client.xrange(redis_layout.alerts(prefix))  # type: ignore[assignment]
    found = [msgspec.json.decode(fields["alert"], type=Alert) for _, fields in entries]
    by_id = {alert.alert_id: alert for alert in found}
    for alert_id, times in Counter(alert.alert_id for alert in found).items():
        if times > 1:
            yield Difference(alert_id, "times told", "1", str(times))
    for alert_id, alert in by_id.items():
        milestone = expected.get(alert_id)
        if milestone is None:
            yield Difference(alert.subject, f"alert {alert_id}", None, f"{alert.value:.6f}")
        elif alert.threshold != milestone.threshold or not same(milestone.value, str(alert.value)):
            wanted = f"{milestone.value:.6f} past {milestone.threshold:g}"
            yield Difference(
                alert.subject, f"alert {alert_id}", wanted, f"{alert.value} past {alert.threshold}"
            )
    if len(expected) < STREAM_KEEPS:
        yield from _missing(expected, by_id)


def _missing(expected: Mapping[str, Milestone], found: Mapping[str, Alert]) -> Iterator[Difference]:
    of_minute = Counter(alert_id.rpartition("|")[2] for alert_id in expected)
    for alert_id, milestone in expected.items():
        if alert_id not in found and of_minute[alert_id.rpartition("|")[2]] <= CERTAIN_A_MINUTE:
            subject = alert_id.partition("|")[2].rpartition("|")[0]
            yield Difference(subject, f"alert {alert_id}", f"{milestone.value:.6f}", None)
