"""From a spike that loadgen makes to a notification in somebody's hands, and to its end."""

from __future__ import annotations

from typing import Any

from tests.dashboards.conftest import STAR, STAR_FIRES, THE_NIGHT, Proof
from warroom.waiting import wait_until

pytestmark = THE_NIGHT


def of_the_star(alert: dict[str, Any]) -> bool:
    labels = alert["labels"]
    return (labels["alertname"], labels.get("merchant"), labels.get("window")) == (
        *("WarroomMerchantTakesOff", STAR, "1h"),
    )


def test_a_spike_becomes_a_notification_and_its_end_another(proof: Proof) -> None:
    """外婆家 sells 8 ordinary days an hour, then half a one; a rule fires, somebody is told, both end."""

    def told(status: str) -> list[dict[str, Any]]:
        return proof.phone.told("/war-room", lambda a: of_the_star(a) and a["status"] == status)

    firing = told("firing")[0]
    assert (firing["labels"]["severity"], firing["labels"]["step"]) == ("info", "5")
    assert firing["labels"]["merchant_name"] == "外婆家"
    assert firing["annotations"]["summary"].startswith(f"外婆家 ({STAR}): ")
    assert firing["annotations"]["summary"].endswith("ordinary days' sales in window 1h")
    assert firing["annotations"]["runbook"] == "docs/operations.md#warroommerchanttakesoff"

    def same(alert: dict[str, Any]) -> bool:
        return bool(alert["labels"] == firing["labels"])

    assert wait_until(lambda: any(map(same, told("resolved"))), 20), proof.phone.notifications
    assert proof.series(STAR_FIRES)
    assert not proof.night.prometheus.instant(STAR_FIRES)


def test_a_restart_is_told_to_whoever_is_on_call(proof: Proof) -> None:
    told = proof.phone.told("/on-call", lambda alert: alert["labels"]["alertname"] == "WarroomRestarted")
    assert {alert["labels"]["instance"] for alert in told} == {"all"}
