"""From a spike that loadgen makes to a notification in somebody's hands, and to its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dashboards.prometheus.routes import Patience, Receivers, alertmanager_file
from tests.dashboards.live import Night, scenario
from tests.dashboards.servers import AlertmanagerServer, Receiver
from warroom.waiting import wait_until

FIRING = 'ALERTS{alertstate="firing", merchant="waipojia", window="1h"}'
PROMPT = Patience(gather_s=0, more_s=1, again_s=3600)


def of_waipojia(alert: dict[str, Any]) -> bool:
    labels = alert["labels"]
    return (labels["alertname"], labels.get("merchant"), labels.get("window")) == (
        *("WarroomMerchantTakesOff", "waipojia", "1h"),
    )


def test_a_spike_becomes_a_notification_and_its_end_another(tmp_path: Path) -> None:
    """In its first hour 外婆家 sells 8 ordinary days, in the next three nearly nothing; 4 hours in 16 s."""
    with Receiver() as phone:
        routes = alertmanager_file(Receivers(phone.url("/war-room"), phone.url("/on-call")), PROMPT)
        with (
            AlertmanagerServer(routes) as alertmanager,
            Night(
                tmp_path,
                scenario(4, 0.0, f"times_the_day = {[8.0, *[0.01] * 23]}"),
                900.0,
                [alertmanager.address],
            ) as night,
        ):
            night.start_load()

            def told(status: str) -> list[dict[str, Any]]:
                return phone.told("/war-room", lambda a: of_waipojia(a) and a["status"] == status)

            assert wait_until(lambda: bool(told("firing")), 30), phone.notifications
            firing = told("firing")[0]
            assert (firing["labels"]["severity"], firing["labels"]["step"]) == ("info", "5")
            assert firing["labels"]["merchant_name"] == "外婆家"
            assert firing["annotations"]["summary"].startswith("外婆家 (waipojia): ")
            assert firing["annotations"]["summary"].endswith("ordinary days' sales in window 1h")
            assert firing["annotations"]["runbook"] == "docs/operations.md#warroommerchanttakesoff"
            assert night.prometheus.instant(FIRING)

            def same(alert: dict[str, Any]) -> bool:
                return bool(alert["labels"] == firing["labels"])

            assert wait_until(lambda: any(map(same, told("resolved"))), 40), phone.notifications
            assert not night.prometheus.instant(FIRING)
