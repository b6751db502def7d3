"""Options that several commands share, and what they mean."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

import typer

from loadgen.errors import LoadgenError
from loadgen.keying import Key
from loadgen.pacing import Pace

Compression = Literal["none", "gzip", "snappy", "lz4", "zstd"]
Times = Literal["scenario", "now"]

Brokers = Annotated[str, typer.Option(help="Kafka address, HOST:PORT[,HOST:PORT].")]
KafkaSettings = Annotated[
    list[str] | None, typer.Option("--kafka", help="A librdkafka setting, KEY=VALUE; may be repeated.")
]
OracleFile = Annotated[
    Path | None, typer.Option(help="Write the exact expected results here (.json, or .parquet).")
]
SummaryFile = Annotated[Path | None, typer.Option(help="Write the account of the run here (JSON).")]
Speed = Annotated[
    float | None, typer.Option(help="Scenario seconds a real second; 1 is real time.", min=0.001)
]
Rate = Annotated[float | None, typer.Option(help="Events a second, evenly.", min=0.001)]
AsFastAs = Annotated[bool, typer.Option("--max", help="As fast as the broker takes it.")]
Partitions = Annotated[int | None, typer.Option(help="Partitions of the orders topic.", min=1, max=4096)]
CreateTopics = Annotated[bool, typer.Option("--create-topics", help="Make topics that are not there.")]
KeyOption = Annotated[
    Key, typer.Option(help="The messages' key; by merchant, each merchant stays on one partition.")
]
CompressionOption = Annotated[Compression, typer.Option(help="Compression of the messages.")]
TimesOption = Annotated[
    Times, typer.Option(help="Event times as recorded or as the scenario says, or from now on.")
]
MetricsPort = Annotated[
    int | None,
    typer.Option(help="Serve the run's Prometheus metrics on this loopback port.", min=1, max=65535),
]
AtOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Expected results at this time too, like 12:00 or 2019-12-12T12:00:00+08:00; repeatable."
    ),
]
SECOND_MS: Final = 1000


def pace_of(speed: float | None, rate: float | None, as_fast_as: bool) -> Pace:
    """The mode asked for; real time if none is. Raises ``LoadgenError`` if more than one is."""
    asked = [f for f, given in (("--speed", speed), ("--rate", rate), ("--max", as_fast_as or None)) if given]
    if len(asked) > 1:
        raise LoadgenError(f"{' and '.join(asked)} contradict each other; give one of --speed, --rate, --max")
    return Pace(speed=1.0) if not asked else Pace(speed=speed, rate=rate)


def settings(
    brokers: str, kafka: list[str] | None, compression: Compression | None = None
) -> Mapping[str, str]:
    """What librdkafka is told. Raises ``LoadgenError`` for a setting without ``=``."""
    chosen = {"bootstrap.servers": brokers}
    if compression is not None:
        chosen["compression.type"] = compression
    for pair in kafka or []:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise LoadgenError(f"--kafka {pair!r}: write KEY=VALUE, for example security.protocol=SSL")
        chosen[key] = value
    return chosen


def now_ms() -> int:
    """The whole second that has begun, in milliseconds since the epoch."""
    return int(time.time()) * SECOND_MS


def instant_ms(option: str, text: str) -> int:
    """A time with its offset, in milliseconds since the epoch. Raises ``LoadgenError`` for any other text."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise LoadgenError(f"{option} {text!r}: write a time with its offset, like 2019-12-12T00:00:00+08:00")
    return int(instant.timestamp() * SECOND_MS)


def instants_of(
    at: list[str] | None, oracle: Path | None, timezone: str, start_ms: int
) -> tuple[int, ...]:  # fmt: skip
    """The instants of --at. Raises ``LoadgenError`` for one that is none, or without --oracle."""
    if at and oracle is None:
        raise LoadgenError("--at says when the oracle is asked; add --oracle FILE")
    return tuple(clock_ms("--at", text, timezone, start_ms) for text in at or ())


def clock_ms(option: str, text: str, timezone: str, start_ms: int) -> int:
    """When clocks in ``timezone`` first show HH:MM or HH:MM:SS from ``start_ms`` on; or an instant.

    Raises ``LoadgenError`` for any other text, or one that is not on a multiple of five seconds.
    """
    if "T" in text:
        at_ms = instant_ms(option, text)
    else:
        try:
            clock = datetime.strptime(text, "%H:%M:%S" if text.count(":") == 2 else "%H:%M").time()
        except ValueError as error:
            raise LoadgenError(f"{option} {text!r}: write a time of day like 12:00 or 18:30:05") from error
        begins = datetime.fromtimestamp(start_ms / SECOND_MS, ZoneInfo(timezone))
        at = datetime.combine(begins.date(), clock, begins.tzinfo)
        at_ms = int((at if at >= begins else at + timedelta(days=1)).timestamp()) * SECOND_MS
    if at_ms % (5 * SECOND_MS):
        raise LoadgenError(f"{option} {text!r}: windows end at multiples of five seconds; give one of those")
    return at_ms
