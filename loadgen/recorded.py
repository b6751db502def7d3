"""Recorded files to orders in columns: what cannot be used is told with line and reason, the rest is used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from loadgen.channels import ACTIONS
from loadgen.errors import LoadgenError
from loadgen.mapping import Amount, ClickMapping, Mapping, OrderMapping, Text, Time, columns_of
from loadgen.recording_file import lines_of
from schemas.events import MAX_AMOUNT_FEN, MAX_EVENT_TIME_MS, MAX_ID_BYTES, MAX_QUANTITY

LINE: Final = "__line"
GZIP: Final = b"\x1f\x8b"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
STATUSES: Final = ("paid", "refunded", "cancelled", "created")
FIELDS: Final = ("order_id", "merchant_id", "member_id", "amount_fen", "quantity", "status", "event_ms")
Rules = tuple[tuple[str, str], ...]
"""Fields, and what is told of one that breaks its rule."""
_FACTOR_MS: Final = {"s": (1000, 1), "ms": (1, 1), "us": (1, 1000)}


@dataclass(frozen=True, slots=True)
class Complaint:
    """A row that was not used."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}; not used"


def read_orders(
    path: Path, mapping: Mapping, use_last_row: bool = False, file_number: int = 0
) -> tuple[pl.DataFrame, list[Complaint]]:
    """Orders of a file, in the file's order, and the rows that could not be used.

    Columns: ``FIELDS``, ``LINE``, and ``channel``, ``category`` where mapped. A last row without its line
    end is taken for cut off unless ``use_last_row``. Raises ``LoadgenError`` if nothing can be read.
    """
    raw, complaints = read_rows(path, mapping, use_last_row)
    orders, wrong = orders_of(raw, mapping, path, file_number)
    return orders, complaints + wrong


def read_files(
    paths: Iterable[Path], mapping: Mapping, use_last_row: bool = False
) -> tuple[pl.DataFrame, list[Complaint]]:
    """Several files one after the other, each as ``read_orders`` does; row ids stay unique."""
    frames: list[pl.DataFrame] = []
    complaints: list[Complaint] = []
    for path in paths:
        orders, wrong = read_orders(path, mapping, use_last_row, file_number=len(frames))
        frames.append(orders)
        complaints += wrong
    return pl.concat(frames), complaints


def read_rows(
    path: Path, mapping: Mapping, use_last_row: bool = False
) -> tuple[pl.DataFrame, list[Complaint]]:
    """A file's rows as text with their ``LINE``, without one that is cut off."""
    raw, whole = _read(path, mapping)
    missing = [column for column in mapping.read() if column not in raw.columns]
    if missing:
        raise LoadgenError(
            f"{path}: has no column {missing[0]!r} that the mapping {mapping.name} names; "
            f"it has {', '.join(c for c in raw.columns if c != LINE)}"
        )
    if whole or use_last_row or not len(raw):
        return raw, []
    last = int(raw[LINE][-1])
    return raw.head(-1), [Complaint(path.name, last, "the file ends in the middle of this row")]


def orders_of(
    raw: pl.DataFrame, mapping: Mapping, path: Path, file_number: int
) -> tuple[pl.DataFrame, list[Complaint]]:
    """The orders among a file's rows, and those rows that should be some and cannot be used."""
    if mapping.order.only is not None:
        column = pl.col(mapping.order.only.column)
        raw = raw.filter(column.is_in(mapping.order.only.values) | column.is_null())
    orders = raw.select(pl.col(LINE), *_expressions(mapping.order, file_number), what_is_wrong(mapping.order))
    return usable(orders, _RULES, path)


def usable(events: pl.DataFrame, rules: Rules, path: Path) -> tuple[pl.DataFrame, list[Complaint]]:
    """Events without those that break a rule or have something ``wrong``, and complaints about these."""
    broken = pl.any_horizontal(_broken(field).fill_null(True) for field, _ in rules)
    bad = events.filter(pl.col("wrong").is_not_null() | broken)
    complaints = [
        Complaint(path.name, line, why) for line, why in bad.select(LINE, _reason(rules)).iter_rows()
    ]
    return events.filter(pl.col("wrong").is_null() & ~broken).drop("wrong"), complaints


def _read(path: Path, mapping: Mapping) -> tuple[pl.DataFrame, bool]:
    """The file's columns as text, with the line each row stands on; whether its last row is whole."""
    try:
        source, whole = _source(path, mapping)
        if mapping.kind == "csv":
            names = mapping.columns if not mapping.header else None
            frame = pl.read_csv(
                source, has_header=mapping.header, new_columns=names, separator=mapping.delimiter,
                infer_schema=False, truncate_ragged_lines=True, encoding="utf8-lossy",
            )  # fmt: skip
        elif mapping.kind == "ndjson":
            frame = pl.read_ndjson(source, infer_schema_length=None)
        else:
            frame = pl.read_parquet(path)
    except OSError as error:
        raise LoadgenError(f"{path}: cannot be read: {error.strerror or error}; nothing is used") from error
    except pl.exceptions.PolarsError as error:
        why = str(error).splitlines()[0]
        raise LoadgenError(f"{path}: not {mapping.kind}, or cut off: {why}; nothing is used") from error
    first = 2 if mapping.kind == "csv" and mapping.header else 1
    return frame.with_columns(pl.all().cast(pl.String)).with_row_index(LINE, offset=first), whole


def _source(path: Path, mapping: Mapping) -> tuple[Path | BytesIO, bool]:
    """Where the rows are read from, and whether the last of them has its line end.

    Of a gzipped file that is cut off, what can be unpacked. A row of JSON without its end is left out, for
    it would spoil the others; ``read_orders`` tells it.
    """
    head, tail = _ends(path)
    if mapping.kind == "parquet" or head == ZSTD:
        return path, True  # a cut shows when it is read
    if head[:2] == GZIP:
        lines = list(lines_of(path))
        text = b"".join(line + (b"\n" if whole else b"") for line, whole in lines)
        whole = not lines or lines[-1][1]
    elif mapping.kind == "ndjson":
        text = path.read_bytes()
        whole = tail in (b"\n", b"")
    else:
        return path, tail in (b"\n", b"")
    if mapping.kind == "ndjson" and not whole and not _is_json(text.rsplit(b"\n", 1)[-1]):
        text = text[: text.rfind(b"\n") + 1] + b"{}\n"
    return BytesIO(text), whole


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except msgspec.DecodeError:
        return False
    return True


def _ends(path: Path) -> tuple[bytes, bytes]:
    """The first four bytes of a file, and the last one; empty ones of an empty file."""
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(0, 2)
        file.seek(-1 if file.tell() else 0, 2)
        return head, file.read(1)


def _expressions(order: OrderMapping, file_number: int) -> list[pl.Expr]:
    fields = [
        text_of(order.order_id, file_number).alias("order_id"),
        text_of(order.merchant_id, file_number).alias("merchant_id"),
        text_of(order.member_id, file_number).alias("member_id"),
        _amount(order.amount_fen).alias("amount_fen"),
        _amount(order.quantity).alias("quantity"),
        text_of(order.status, file_number).alias("status"),
        time_of(order.time).alias("event_ms"),
    ]
    optional = {"channel": order.channel, "category": order.category}
    return [
        *fields,
        *(text_of(text, file_number).alias(name) for name, text in optional.items() if text is not None),
    ]


def text_of(text: Text, file_number: int) -> pl.Expr:
    """A text field from a row."""
    if text.row is not None:
        prefix = text.row if file_number == 0 else f"{text.row}{file_number}-"
        return pl.lit(prefix) + pl.col(LINE).cast(pl.String)
    if text.constant is not None:
        return pl.lit(text.constant)
    value = pl.col(text.column or "")
    value = pl.lit(text.prefix) + (value.replace(text.values) if text.values else value)
    return value if text.and_column is None else value + "-" + pl.col(text.and_column)


def _amount(amount: Amount) -> pl.Expr:
    if amount.constant is not None:
        return pl.lit(amount.constant).cast(pl.Int64)
    scaled = pl.col(amount.column or "").cast(pl.Float64, strict=False) * amount.fen_per_unit
    return scaled.round().cast(pl.Int64, strict=False)


def time_of(time: Time) -> pl.Expr:
    """A time in milliseconds since the epoch from a row."""
    value = pl.col(time.column)
    if time.unit == "text":
        dated = pl.lit(time.before) + value
        zoned = dated.str.to_datetime(time.format, strict=False).dt.replace_time_zone(
            time.timezone, ambiguous="earliest", non_existent="null"
        )
        return zoned.dt.epoch("ms")
    multiply, divide = _FACTOR_MS[time.unit]
    return value.cast(pl.Int64, strict=False) * multiply // divide


def what_is_wrong(side: OrderMapping | ClickMapping) -> pl.Expr:
    """The first needed column that a row lacks, as a sentence; null where all are there."""
    branches = [
        pl.when(pl.col(column).is_null()).then(pl.lit(f"no value in column {column!r}"))
        for column in columns_of(side)
    ]
    return pl.coalesce(*branches, pl.lit(None, pl.String)).alias("wrong")


ID_RULE: Final = "empty or longer than 128 bytes"
TIME_RULE: Final = ("event_ms", "not a time")
_RULES: Final[Rules] = (
    *((name, ID_RULE) for name in ("order_id", "merchant_id", "member_id")),
    ("amount_fen", "not a number of 0 or more"),
    ("quantity", "not a whole number of 1 or more"),
    ("status", "not one of paid, refunded, cancelled, created"),
    TIME_RULE,
)


_ONE_OF: Final = {"status": STATUSES, "action": ACTIONS}


def _broken(field: str) -> pl.Expr:
    column = pl.col(field)
    if field.endswith("_id"):
        return ~column.str.len_bytes().is_between(1, MAX_ID_BYTES)
    if field in _ONE_OF:
        return ~column.is_in(_ONE_OF[field])
    low, high = {
        "amount_fen": (0, MAX_AMOUNT_FEN),
        "quantity": (1, MAX_QUANTITY),
        "event_ms": (0, MAX_EVENT_TIME_MS),
    }[field]
    return ~column.is_between(low, high)


def _reason(rules: Rules) -> pl.Expr:
    branches = [
        pl.when(_broken(field).fill_null(True)).then(pl.lit(f"{field} is {why}")) for field, why in rules
    ]
    return pl.coalesce("wrong", *branches).alias("reason")
