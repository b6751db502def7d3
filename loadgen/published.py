"""``python -m loadgen.published``: write the JSON Schemas of the files that people write for loadgen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import msgspec

from loadgen.mapping import Mapping
from loadgen.scenario import Scenario

PUBLISHED: Final = Path(__file__).parent / "published_schemas"
RECORDS: Final[dict[str, type[msgspec.Struct]]] = {"scenario": Scenario, "mapping": Mapping}


def published_text(record: type[msgspec.Struct]) -> str:
    """The JSON Schema of a record as it is committed: sorted keys, two spaces, one newline at the end."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(record)}
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Write one file a record."""
    PUBLISHED.mkdir(exist_ok=True)
    for name, record in RECORDS.items():
        (PUBLISHED / f"{name}.schema.json").write_text(published_text(record), encoding="utf-8")


if __name__ == "__main__":
    main()
