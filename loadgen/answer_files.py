"""Expected results in a file: JSON, or Parquet with a row a merchant and window, for any table tool."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from loadgen.errors import LoadgenError
from loadgen.oracle import Answers, Expected

WHOLE_NUMBERS: Final = ("measures", "people")
RATIOS: Final = ("multiples", "rates")
"""Parts of ``Expected`` that have a value a window: those of whole numbers, and those of real ones."""
META: Final = "loadgen.answers"
"""Key of the file's metadata under which everything but the merchants stands, as JSON."""
END: Final = ""
"""The name of the last instant, that of the newest event."""


def write_answers(path: Path, answers: Answers) -> None:
    """Write a .parquet or a JSON file. Raises ``LoadgenError`` with the reason; no file is left then."""
    part = path.with_name(path.name + ".part") if not path.exists() or path.is_file() else path
    try:
        if path.suffix == ".parquet":
            head = msgspec.structs.replace(answers, merchants={}, instants=_headed(answers))
            text = msgspec.json.encode(head).decode()
            frame_of(answers).write_parquet(part, metadata={META: text})
        else:
            part.write_bytes(msgspec.json.format(msgspec.json.encode(answers), indent=1) + b"\n")
        if part != path:
            part.replace(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        if part != path:
            part.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise LoadgenError(
            f"{path}: cannot be written: {reason}; all events were sent, their expected results are lost"
        ) from error


def _headed(answers: Answers) -> dict[str, Answers]:
    return {name: msgspec.structs.replace(told, merchants={}) for name, told in answers.instants.items()}


def frame_of(answers: Answers) -> pl.DataFrame:
    """Every merchant and window at every instant.

    Columns: ``at`` (the instant with its offset, empty at the end), ``at_ms`` (exclusive), ``merchant_id``,
    ``window``, then a column a measure and ratio. The row whose window is empty has in ``rest``, as JSON,
    what belongs to no window: name, peak, single fields.
    """
    columns: dict[str, list[object]] = {"at": [], "at_ms": [], "merchant_id": [], "window": [], "rest": []}
    names = _field_names(answers)
    values: dict[str, list[object]] = {name: [] for name in names}
    for at, told in ((END, answers), *answers.instants.items()):
        for merchant_id, expected in told.merchants.items():
            by_window = _by_window(expected)
            rest = msgspec.structs.replace(expected, measures={}, multiples={}, people={}, rates={})
            for window, fields in {END: {}, **by_window}.items():
                columns["at"].append(at)
                columns["at_ms"].append(told.newest_ms + 1)
                columns["merchant_id"].append(merchant_id)
                columns["window"].append(window)
                columns["rest"].append(msgspec.json.encode(rest).decode() if window == END else None)
                for name in names:
                    values[name].append(fields.get(name))
    schema: dict[str, type[pl.DataType]] = {
        "at": pl.String, "at_ms": pl.Int64, "merchant_id": pl.String, "window": pl.String, **names,
        "rest": pl.String,
    }  # fmt: skip
    return pl.DataFrame({**columns, **values}, schema=schema)


def _field_names(answers: Answers) -> dict[str, type[pl.DataType]]:
    names: dict[str, type[pl.DataType]] = {}
    for told in (answers, *answers.instants.values()):
        for expected in told.merchants.values():
            for part, kind in _KINDS.items():
                for field in getattr(expected, part):
                    names.setdefault(f"{part}.{field.rsplit(':', 1)[0]}", kind)
    return names


_KINDS: Final[dict[str, type[pl.DataType]]] = {
    **dict.fromkeys(WHOLE_NUMBERS, pl.Int64),
    **dict.fromkeys(RATIOS, pl.Float64),
}


def _by_window(expected: Expected) -> dict[str, dict[str, object]]:
    by_window: dict[str, dict[str, object]] = {}
    for part in _KINDS:
        for field, value in getattr(expected, part).items():
            name, window = field.rsplit(":", 1)
            by_window.setdefault(window, {})[f"{part}.{name}"] = value
    return by_window


def read_answers(path: Path, at: str | None = None) -> Answers:
    """Expected results at the end, or at an instant: ``12:00``, or as the file names it.

    Raises ``LoadgenError`` naming what is wrong, or the instants that there are.
    """
    try:
        answers = _from_parquet(path) if path.suffix == ".parquet" else _from_json(path)
    except OSError as error:
        raise LoadgenError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (msgspec.DecodeError, pl.exceptions.PolarsError, KeyError) as error:
        raise LoadgenError(f"{path}: not an oracle file of loadgen run --oracle: {error}") from error
    if at is None:
        return answers
    clock = at if at.count(":") != 1 else f"{at}:00"
    for name, told in answers.instants.items():
        if at == name or name.partition("T")[2].startswith(clock):
            return told
    there = ", ".join(answers.instants) or "none; ask for some with loadgen run --at"
    raise LoadgenError(f"{path}: has no instant {at!r}; it has {there}")


def _from_json(path: Path) -> Answers:
    return msgspec.json.decode(path.read_bytes(), type=Answers)


def _from_parquet(path: Path) -> Answers:
    head = msgspec.json.decode(pl.read_parquet_metadata(path)[META], type=Answers)
    frame = pl.read_parquet(path)
    merchants = {at: dict(_merchants(part)) for (at,), part in frame.partition_by("at", as_dict=True).items()}
    instants = {
        name: msgspec.structs.replace(told, merchants=merchants.get(name, {}))
        for name, told in head.instants.items()
    }
    return msgspec.structs.replace(head, merchants=merchants.get(END, {}), instants=instants)


def _merchants(frame: pl.DataFrame) -> Iterator[tuple[str, Expected]]:
    names = [name for name in frame.columns if "." in name]
    for (merchant_id,), rows in frame.partition_by("merchant_id", as_dict=True, maintain_order=True).items():
        parts: dict[str, dict[str, object]] = {part: {} for part in _KINDS}
        rest: dict[str, object] = {}
        for row in rows.iter_rows(named=True):
            if row["window"] == END:
                rest = json.loads(row["rest"])
                continue
            for name in names:
                if row[name] is not None:
                    part, _, field = name.partition(".")
                    parts[part][f"{field}:{row['window']}"] = row[name]
        yield str(merchant_id), msgspec.convert({**rest, **parts}, Expected)
