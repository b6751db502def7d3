"""What the worker processes tell Prometheus, read for the live table and the demo."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

ANSWER_SECONDS: Final = 1.0


@dataclass(slots=True)
class Vitals:
    """Sums over the workers that answered. Counters began with the processes."""

    workers_up: int = 0
    messages: Counter[str] = field(default_factory=Counter)  # by topic
    events: Counter[str] = field(default_factory=Counter)  # by outcome
    duplicates: Counter[str] = field(default_factory=Counter)  # by topic
    dead_letters: Counter[str] = field(default_factory=Counter)  # by reason
    lag_messages: int = 0
    stage_seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))


def read_vitals(host: str, first_port: int, workers: int) -> Vitals:
    """Ask every worker; one that does not answer counts as not up."""
    vitals = Vitals()
    for port in range(first_port, first_port + workers):
        try:
            with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=ANSWER_SECONDS) as answer:
                text = answer.read().decode()
        except (OSError, urllib.error.URLError):
            continue
        _add(vitals, text)
    return vitals


def _add(vitals: Vitals, text: str) -> None:
    vitals.workers_up += 1
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            value = int(sample.value) if sample.value == sample.value else 0
            match sample.name:
                case "warroom_messages_total":
                    vitals.messages[sample.labels["topic"]] += value
                case "warroom_events_total":
                    vitals.events[sample.labels["outcome"]] += value
                    if sample.labels["outcome"] == "duplicate":
                        vitals.duplicates[sample.labels["topic"]] += value
                case "warroom_dead_letters_total":
                    vitals.dead_letters[sample.labels["reason"]] += value
                case "warroom_stage_cpu_seconds_total":
                    vitals.stage_seconds[sample.labels["stage"]] += sample.value
                case "warroom_consumer_lag_messages":
                    vitals.lag_messages += value
