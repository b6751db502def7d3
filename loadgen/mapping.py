"""Mappings: which column of a recorded file becomes which field of an event. Small TOML files."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from loadgen.errors import LoadgenError

SHIPPED: Final = Path(__file__).parent / "formats"
Unit = Literal["s", "ms", "us", "text"]


class Text(Struct, frozen=True, forbid_unknown_fields=True):
    """A text field: exactly one of a column, a constant, or the row's number after a prefix (``row``).

    ``prefix`` goes before a column's value, a hyphen and ``and_column`` after it. ``values`` translates
    it; what is not in it stays as it is. An ``optional`` column may be empty.
    """

    column: str | None = None
    constant: str | None = None
    row: str | None = None
    prefix: str = ""
    and_column: str | None = None
    optional: bool = False
    values: dict[str, str] = {}


class Amount(Struct, frozen=True, forbid_unknown_fields=True):
    """An amount in fen: a column times ``fen_per_unit``, or a constant number of fen."""

    column: str | None = None
    constant: str | None = None
    fen_per_unit: float = 1.0


class Time(Struct, frozen=True, forbid_unknown_fields=True):
    """A time: a column of numbers since the epoch, or of text in ``format`` and ``timezone``.

    ``before`` is put before the text and its part of the format (a year that the file leaves out).
    """

    column: str
    unit: Unit = "s"
    format: str = ""
    timezone: str = "UTC"
    before: str = ""


class Only(Struct, frozen=True, forbid_unknown_fields=True):
    """Rows that matter: those whose column holds one of the values."""

    column: str
    values: list[str]


class OrderMapping(Struct, frozen=True, forbid_unknown_fields=True):
    """How a row becomes an order."""

    order_id: Text
    merchant_id: Text
    member_id: Text
    amount_fen: Amount
    time: Time
    only: Only | None = None
    status: Text = Text(constant="paid")
    quantity: Amount = Amount(constant="1")
    channel: Text | None = None
    category: Text | None = None


class Mapping(Struct, frozen=True, forbid_unknown_fields=True):
    """A recorded format. ``columns`` names them where the file has no header."""

    name: str
    title: str
    kind: Literal["csv", "ndjson", "parquet"]
    order: OrderMapping
    header: bool = True
    delimiter: str = ","
    columns: list[str] = []

    def needed(self) -> list[str]:
        """Every column that must have a value in a row, once."""
        return self._columns(optional=False)

    def read(self) -> list[str]:
        """Every column that the file must have, once."""
        return self._columns(optional=True)

    def _columns(self, optional: bool) -> list[str]:
        order = self.order
        texts = (
            order.order_id,
            order.merchant_id,
            order.member_id,
            order.status,
            order.channel,
            order.category,
        )
        chosen = [text for text in texts if text is not None and (optional or not text.optional)]
        others = (order.amount_fen, order.time, order.quantity, order.only)
        named = [part.column for part in (*chosen, *others) if part is not None]
        named += [text.and_column for text in chosen]
        return list(dict.fromkeys(column for column in named if column is not None))


def shipped_formats() -> list[str]:
    """Names of the formats that come with the project."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load_mapping(name_or_path: str) -> Mapping:
    """A shipped mapping by name, or any by the path of its file.

    Raises ``LoadgenError`` naming file, key and what would be right.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = SHIPPED / f"{name_or_path}.toml"
        if not path.is_file():
            raise LoadgenError(
                f"no format named {name_or_path!r}; there are {', '.join(shipped_formats())}, "
                "or give the path of a .toml file"
            )
    try:
        mapping = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Mapping)
    except OSError as error:
        raise LoadgenError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LoadgenError(f"{path}: not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise LoadgenError(f"{path}: {error}") from error
    _check(mapping, path)
    return mapping


def _check(mapping: Mapping, path: Path) -> None:
    order = mapping.order
    texts = {"order_id": order.order_id, "merchant_id": order.merchant_id, "member_id": order.member_id}
    for key, text in {**texts, "status": order.status}.items():
        if sum(part is not None for part in (text.column, text.constant, text.row)) != 1:
            raise LoadgenError(f"{path}: order.{key} must have exactly one of column, constant and row")
    for key, amount in {"amount_fen": order.amount_fen, "quantity": order.quantity}.items():
        if (amount.column is None) == (amount.constant is None):
            raise LoadgenError(f"{path}: order.{key} must have exactly one of column and constant")
    if (order.time.unit == "text") != bool(order.time.format):
        raise LoadgenError(f'{path}: order.time needs a format with unit = "text", and only then')
    if mapping.kind == "csv" and not mapping.header and not mapping.columns:
        raise LoadgenError(f"{path}: columns must name the file's columns where header = false")
