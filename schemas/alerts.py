"""Alerts out: one sentence that somebody acts on within a minute."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Severity = Literal["info", "warning", "critical"]


class Alert(Struct, frozen=True):
    """One alert. ``alert_id`` is made of rule, subject and bucket: the same alert is never told twice."""

    alert_id: str
    rule: str
    subject: str
    severity: Severity
    bucket_end_ms: int
    value: float
    threshold: float
    text_zh: str
    text_en: str
