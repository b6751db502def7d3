"""Recordings: messages of Kafka topics in a file, Parquet or NDJSON, with everything but their broker."""

from __future__ import annotations

import base64
import gzip
import queue
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, Protocol, cast

import msgspec
import polars as pl
from msgspec import Struct
from polars.io.plugins import register_io_source

from loadgen.errors import LoadgenError

SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "topic": pl.String,
    "partition": pl.Int32,
    "offset": pl.Int64,
    "timestamp_ms": pl.Int64,
    "key": pl.Binary,
    "value": pl.Binary,
    "headers": pl.List(pl.Struct({"name": pl.String, "value": pl.Binary})),
}
"""Columns of a recording. ``key`` and ``value`` may be null; ``timestamp_ms`` is that of Kafka."""
NDJSON_SUFFIXES: Final = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")
_FRAMES_AHEAD: Final = 4
_BLOCK: Final = 1 << 20
_GZIP_WINDOW: Final = 31


class Header(Struct, omit_defaults=True):
    """A header. What is no UTF-8 stands in Base64."""

    name: str
    value: str | None = None
    value_base64: str | None = None


class Line(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """A message as a line of NDJSON. What is no UTF-8 stands in Base64."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: str | None = None
    key_base64: str | None = None
    value: str | None = None
    value_base64: str | None = None
    headers: list[Header] = []


class Writer(Protocol):
    """Takes frames of ``SCHEMA``. ``close`` makes the file whole; ``kept`` says what a failure left."""

    kept: str

    def write(self, frame: pl.DataFrame) -> None:
        """Raises ``OSError`` where the disk does not take it."""

    def close(self) -> None:
        """Make the file whole. Raises ``OSError``."""


def open_recording(path: Path) -> Writer:
    """A writer for a path that ends in .parquet, .ndjson or .jsonl, the last two also with .gz.

    Raises ``LoadgenError`` for any other, and if the file cannot be made.
    """
    try:
        if path.suffix == ".parquet":
            return _ParquetWriter(path)
        if path.name.endswith(NDJSON_SUFFIXES):
            return _NdjsonWriter(path)
    except OSError as error:
        raise LoadgenError(f"{path}: cannot be written: {error.strerror}") from error
    raise LoadgenError(f"{path}: a recording's name ends in .parquet, {', '.join(NDJSON_SUFFIXES)}")


class _NdjsonWriter:
    def __init__(self, path: Path) -> None:
        file = gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb", buffering=0)  # noqa: SIM115
        self._file = cast(IO[bytes], file)
        self._encoder = msgspec.json.Encoder()
        self.kept = "the whole lines before that are kept"

    def write(self, frame: pl.DataFrame) -> None:
        lines = bytearray()
        for row in frame.iter_rows(named=True):
            key, key_base64 = _text(row["key"])
            value, value_base64 = _text(row["value"])
            headers = [Header(h["name"], *_text(h["value"])) for h in row["headers"] or ()]
            line = Line(row["topic"], row["partition"], row["offset"], row["timestamp_ms"], key, key_base64,
                        value, value_base64, headers)  # fmt: skip
            self._encoder.encode_into(line, lines, -1)
            lines += b"\n"
        rest = memoryview(lines)
        while rest:  # an unbuffered file may take a part, and then says why not the rest
            rest = rest[self._file.write(rest) or 0 :]

    def close(self) -> None:
        self._file.close()


class _ParquetWriter:
    """A thread turns frames into row groups as they come; a whole file takes its name at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._part.open("wb").close()
        self._frames: queue.Queue[pl.DataFrame | None] = queue.Queue(_FRAMES_AHEAD)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._sink, daemon=True)
        self._thread.start()
        self.kept = "nothing is kept: a Parquet file is usable only when it is whole"

    def write(self, frame: pl.DataFrame) -> None:
        while True:
            self._raise()
            try:
                self._frames.put(frame, timeout=0.2)
                return
            except queue.Full:
                continue

    def close(self) -> None:
        while self._thread.is_alive():
            try:
                self._frames.put(None, timeout=0.2)
                break
            except queue.Full:
                continue
        self._thread.join()
        self._raise()
        self._part.replace(self._path)

    def _raise(self) -> None:
        if self._error is not None:
            self._part.unlink(missing_ok=True)
            raise OSError(0, str(self._error).splitlines()[0]) from self._error

    def _sink(self) -> None:
        def frames(*_: object) -> Iterator[pl.DataFrame]:
            while (frame := self._frames.get()) is not None:
                yield frame

        try:
            register_io_source(frames, schema=SCHEMA).sink_parquet(self._part, maintain_order=True)
        except (pl.exceptions.PolarsError, OSError) as error:
            self._error = error


def read_recording(path: Path) -> tuple[pl.DataFrame, list[str]]:
    """The messages of a recording, and what of it was not used. Raises ``LoadgenError`` if it is none."""
    try:
        if path.suffix == ".parquet":
            return _as_recording(pl.read_parquet(path), path), []
        return _read_ndjson(path)
    except OSError as error:
        raise LoadgenError(f"{path}: cannot be read: {error.strerror or error}") from error
    except pl.exceptions.PolarsError as error:
        raise LoadgenError(
            f"{path}: no whole Parquet file: {str(error).splitlines()[0]}; nothing is used"
        ) from error


def is_recording(path: Path) -> bool:
    """Whether a file has the name of a recording."""
    return path.suffix == ".parquet" or path.name.endswith(NDJSON_SUFFIXES)


def _as_recording(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    missing = [name for name in SCHEMA if name not in frame.columns]
    if missing:
        raise LoadgenError(
            f"{path}: not a recording: it has no column {missing[0]!r}; other files need --format"
        )
    return frame.select(*SCHEMA).cast(SCHEMA)  # type: ignore[arg-type]


def _read_ndjson(path: Path) -> tuple[pl.DataFrame, list[str]]:
    decoder = msgspec.json.Decoder(Line)
    rows: list[dict[str, object]] = []
    for number, (text, whole) in enumerate(lines_of(path), 1):
        if not whole:
            return _frame(rows), [f"{path.name}:{number}: the file ends in the middle of this row; not used"]
        try:
            line = decoder.decode(text)
        except msgspec.DecodeError as error:
            raise LoadgenError(
                f"{path}:{number}: not a recording: {error}; other files need --format"
            ) from error
        rows.append(
            {
                "topic": line.topic,
                "partition": line.partition,
                "offset": line.offset,
                "timestamp_ms": line.timestamp_ms,
                "key": _bytes(line.key, line.key_base64),
                "value": _bytes(line.value, line.value_base64),
                "headers": [{"name": h.name, "value": _bytes(h.value, h.value_base64)} for h in line.headers],
            }
        )
    return _frame(rows), []


def _frame(rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def lines_of(path: Path) -> Iterator[tuple[bytes, bool]]:
    """The lines of a plain or gzipped file without their ends, and whether each has one.

    A compressed file that is cut off gives what can be unpacked; its last line then lacks its end.
    """
    rest = b""
    for block in _unpacked(path):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield line, True
    if rest:
        yield rest, False


def _unpacked(path: Path) -> Iterator[bytes]:
    """A file's bytes in blocks, unpacked if it is gzipped. One that is cut ends with a blank."""
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            file.seek(0)
            while block := file.read(_BLOCK):
                yield block
            return
        file.seek(0)
        member = zlib.decompressobj(_GZIP_WINDOW)
        try:
            while block := file.read(_BLOCK):
                yield member.decompress(block)
                while member.eof and member.unused_data:
                    member, block = zlib.decompressobj(_GZIP_WINDOW), member.unused_data
                    yield member.decompress(block)
        except zlib.error:
            yield b" "
            return
        if not member.eof:
            yield member.flush() + b" "


def _text(value: bytes | None) -> tuple[str | None, str | None]:
    """Bytes as text, or in Base64 where they are none."""
    if value is None:
        return None, None
    try:
        return value.decode(), None
    except UnicodeDecodeError:
        return None, base64.b64encode(value).decode()


def _bytes(text: str | None, in_base64: str | None) -> bytes | None:
    if in_base64 is not None:
        return base64.b64decode(in_base64)
    return None if text is None else text.encode()
