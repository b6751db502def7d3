"""Mappings: which column of a recorded file becomes which field of an event. Small TOML files."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from loadgen.errors import LoadgenError
from loadgen.shipped import file_of, names_in

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


class ClickMapping(Struct, frozen=True, forbid_unknown_fields=True):
    """How a row becomes a click. ``action`` translates to ``view``, ``cart``, ``favorite`` or ``join``."""

    event_id: Text
    merchant_id: Text
    visitor_id: Text
    action: Text
    time: Time
    only: Only | None = None
    source: Text | None = None
    channel: Text | None = None
    category: Text | None = None


class Mapping(Struct, frozen=True, forbid_unknown_fields=True):
    """A recorded format. ``columns`` names them where the file has no header.

    A row becomes an order, a click, both or nothing, as the two ``only`` say.
    """

    name: str
    title: str
    kind: Literal["csv", "ndjson", "parquet"]
    order: OrderMapping
    header: bool = True
    delimiter: str = ","
    columns: list[str] = []
    click: ClickMapping | None = None

    def read(self) -> list[str]:
        """Every column that the file must have, once."""
        clicks = columns_of(self.click, optional=True) if self.click else []
        return list(dict.fromkeys([*columns_of(self.order, optional=True), *clicks]))


def columns_of(side: OrderMapping | ClickMapping, optional: bool = False) -> list[str]:
    """Every column of an order or a click that must have a value in a row, once; ``optional`` ones too."""
    parts = [getattr(side, name) for name in side.__struct_fields__]
    texts = [part for part in parts if isinstance(part, Text) and (optional or not part.optional)]
    named = [text.column for text in texts]
    named += [part.column for part in parts if isinstance(part, (Amount, Time, Only))]
    named += [text.and_column for text in texts]
    return list(dict.fromkeys(column for column in named if column is not None))


def shipped_formats() -> list[str]:
    """Names of the formats that come with the project."""
    return names_in(SHIPPED)


def load_mapping(name_or_path: str) -> Mapping:
    """A shipped mapping by name, or any by the path of its file.

    Raises ``LoadgenError`` naming file, key and what would be right.
    """
    path = file_of(name_or_path, SHIPPED, "format")
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
    for name, side in (("order", mapping.order), ("click", mapping.click)):
        for key in side.__struct_fields__ if side is not None else ():
            _check_part(getattr(side, key), f"{path}: {name}.{key}")
    if mapping.kind == "csv" and not mapping.header and not mapping.columns:
        raise LoadgenError(f"{path}: columns must name the file's columns where header = false")


def _check_part(part: object, where: str) -> None:
    if isinstance(part, Text):
        if sum(given is not None for given in (part.column, part.constant, part.row)) != 1:
            raise LoadgenError(f"{where} must have exactly one of column, constant and row")
    elif isinstance(part, Amount):
        if (part.column is None) == (part.constant is None):
            raise LoadgenError(f"{where} must have exactly one of column and constant")
    elif isinstance(part, Time) and (part.unit == "text") != bool(part.format):
        raise LoadgenError(f'{where} needs a format with unit = "text", and only then')
