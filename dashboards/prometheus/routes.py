"""Who is told of what: Alertmanager's routes as an example that runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dashboards.prometheus.rule import EVERY_WORKER


@dataclass(frozen=True, slots=True)
class Receivers:
    """Where each kind of people is reached: URLs that take Alertmanager's JSON by POST."""

    war_room: str = "http://127.0.0.1:9095/war-room"
    on_call: str = "http://127.0.0.1:9095/on-call"
    rehearsal: str = "http://127.0.0.1:9095/rehearsal"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long alerts are gathered before they are told, and when they are told again. Seconds."""

    gather_s: int = 10
    more_s: int = 60
    again_s: int = 4 * 3600


def alertmanager_file(receivers: Receivers = Receivers(), patience: Patience = Patience()) -> dict[str, Any]:
    """Alertmanager's configuration: sales to the room, the pipeline to whoever is on call."""
    return {
        "route": {
            "receiver": "on-call",
            "group_by": ["alertname", "job"],
            "group_wait": f"{patience.gather_s}s",
            "group_interval": f"{patience.more_s}s",
            "repeat_interval": f"{patience.again_s}s",
            "routes": [
                # A channel gone dark is the business's and the operators' at once.
                {
                    "matchers": ['area="sales"', 'severity="critical"'],
                    "receiver": "on-call",
                    "continue": True,
                },
                {
                    "matchers": ['area="sales"'],
                    "receiver": "war-room",
                    "group_by": ["alertname", "merchant", "value"],
                },
                {"matchers": ['area="rehearsal"'], "receiver": "rehearsal"},
            ],
        },
        "inhibit_rules": [
            # Without a scrape the others only know old numbers.
            {
                "source_matchers": ['alertname="WarroomNotScraped"', f'instance="{EVERY_WORKER}"'],
                "target_matchers": ['area=~"sales|pipeline"', 'alertname!="WarroomNotScraped"'],
                "equal": ["job"],
            },
            {
                "source_matchers": ['alertname="WarroomRedisDown"'],
                "target_matchers": ['alertname="WarroomRedisBacklog"'],
                "equal": ["job", "instance"],
            },
            {
                "source_matchers": ['alertname="WarroomRestartsAgain"'],
                "target_matchers": ['alertname="WarroomRestarted"'],
                "equal": ["job"],
            },
        ],
        "receivers": [
            _receiver("war-room", receivers.war_room),
            _receiver("on-call", receivers.on_call),
            _receiver("rehearsal", receivers.rehearsal),
        ],
    }


def _receiver(name: str, url: str) -> dict[str, Any]:
    return {"name": name, "webhook_configs": [{"url": url, "send_resolved": True}]}
