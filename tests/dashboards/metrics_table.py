"""The table of docs/metrics.md, read back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "metrics.md"
ROW: Final = re.compile(
    r"\| `(?P<name>\w+)` \| (?P<kind>counter|gauge|histogram) \|(?P<labels>[^|]*)\| .+ \|"
)
ENDINGS: Final = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


@dataclass(frozen=True, slots=True)
class Documented:
    """A family's type and labels, without a histogram's ``le``."""

    kind: str
    labels: frozenset[str]


def documented() -> dict[str, Documented]:
    """Family names, without ``_total``, to what the document says of them."""
    found = {}
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if row := ROW.fullmatch(line):
            name = row["name"].removesuffix("_total") if row["kind"] == "counter" else row["name"]
            found[name] = Documented(row["kind"], frozenset(re.findall(r"`(\w+)`", row["labels"])))
    return found


def metric_names(families: dict[str, Documented]) -> set[str]:
    """Every name under which samples of the families are found."""
    return {name + ending for name, family in families.items() for ending in ENDINGS[family.kind]}
