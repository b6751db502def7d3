"""``python -m schemas``: write the published JSON Schemas of every record that crosses a boundary."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from schemas.alerts import Alert
from schemas.baselines import Baseline
from schemas.dead_letters import DeadLetter
from schemas.events import Click, Order
from schemas.results import MerchantResult
from schemas.stock import Stock

PUBLISHED = Path(__file__).parent / "published"
RECORDS: dict[str, type[msgspec.Struct]] = {
    "order": Order,
    "click": Click,
    "stock": Stock,
    "baseline": Baseline,
    "merchant_result": MerchantResult,
    "alert": Alert,
    "dead_letter": DeadLetter,
}


def published_text(record: type[msgspec.Struct]) -> str:
    """The JSON Schema of a record as it is committed: sorted keys, two spaces, one newline at the end."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(record)}
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Write one file a record into ``schemas/published``."""
    PUBLISHED.mkdir(exist_ok=True)
    for name, record in RECORDS.items():
        (PUBLISHED / f"{name}.schema.json").write_text(published_text(record))


if __name__ == "__main__":
    main()
