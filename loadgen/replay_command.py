"""``loadgen replay`` and ``loadgen record``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
import polars as pl
import typer
from rich.console import Console

from loadgen.amplify import Amplifier, amplified
from loadgen.errors import LoadgenError
from loadgen.keying import Key
from loadgen.mapping import load_mapping
from loadgen.options import (
    AsFastAs,
    AtOption,
    Brokers,
    CompressionOption,
    CreateTopics,
    KafkaSettings,
    MetricsPort,
    OracleFile,
    Partitions,
    Rate,
    Speed,
    SummaryFile,
    TimesOption,
    instant_ms,
    instants_of,
    now_ms,
    pace_of,
    settings,
)
from loadgen.pacing import Pace
from loadgen.record import Recorded, Span
from loadgen.record import record as record_topics
from loadgen.recorded_clicks import read_events
from loadgen.recording_file import is_recording, read_recording
from loadgen.replay import question_about
from loadgen.run import Outputs, Target, run_raw, run_recording
from loadgen.showing import finish, report_complaints, watched
from loadgen.summary import Summary
from schemas.baselines import Baseline
from schemas.windows import DEFAULT_TIMEZONE


def replay(
    files: Annotated[
        list[Path], typer.Argument(help="Recorded files, plain or compressed (gzip, zstd), or recordings.")
    ],
    format: Annotated[
        str | None,
        typer.Option(help="A shipped mapping, or the path of a .toml file; none for loadgen's recordings."),
    ] = None,
    brokers: Brokers = "127.0.0.1:9092",
    speed: Speed = None,
    rate: Rate = None,
    as_fast_as: AsFastAs = False,
    amplify: Annotated[
        float, typer.Option(help="This many times the people, each with fresh ids.", min=0.01, max=1000)
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Chooses who is there again with --amplify.", min=0)] = 0,
    times: TimesOption = "scenario",
    baselines: Annotated[
        Path | None, typer.Option(help="A recording of the baselines topic: sent first, told to the oracle.")
    ] = None,
    sale_opens: Annotated[
        str | None,
        typer.Option(help="For the oracle, like 2019-12-12T00:00:00+08:00; the first local midnight."),
    ] = None,
    use_last_row: Annotated[
        bool, typer.Option("--use-last-row", help="Use a last row that lacks its line end.")
    ] = False,
    oracle: OracleFile = None,
    at: AtOption = None,
    summary: SummaryFile = None,
    partitions: Partitions = None,
    create_topics: CreateTopics = False,
    topic_orders: str = "orders",
    topic_baselines: str = "baselines",
    topic_clicks: Annotated[str, typer.Option(help="Where recorded clicks go; empty: nowhere.")] = "clicks",
    key: Annotated[
        Key | None, typer.Option(help="The messages' key: the order unless told; a recording keeps its keys.")
    ] = None,
    compression: CompressionOption = "none",
    metrics_port: MetricsPort = None,
    kafka: KafkaSettings = None,
) -> None:
    """Send a recorded day: files of a public format as orders and clicks, or a recording as it was."""
    librdkafka = settings(brokers, kafka, compression)
    asked = _Replay(
        target=Target(librdkafka, topic_orders, topic_baselines, topic_clicks, partitions, create_topics),
        pace=pace_of(speed, rate, as_fast_as),
        amplifier=Amplifier(amplify, seed),
        begins_ms=now_ms() if times == "now" else None,
        key=key,
        sale_opens=sale_opens,
        baselines=[] if baselines is None else baselines_of(baselines),
        oracle=oracle,
        summary=summary,
        at=at,
        metrics_port=metrics_port,
    )
    finish(asked.recordings(files) if format is None else asked.rows(files, format, use_last_row))


@dataclass(frozen=True, slots=True)
class _Replay:
    """What was asked of a replay. ``begins_ms``: when its first event is to be; None: when it was."""

    target: Target
    pace: Pace
    amplifier: Amplifier
    begins_ms: int | None
    key: Key | None
    sale_opens: str | None
    baselines: list[Baseline]
    oracle: Path | None
    summary: Path | None
    at: list[str] | None
    metrics_port: int | None

    def recordings(self, files: list[Path]) -> Summary:
        """Send recordings as they were."""
        messages = recordings(files, self.key)
        outputs = self._outputs(self.begins_ms or _first_ms(messages["timestamp_ms"]))
        question = question_about(files[0].name, self.sale_opens, self.baselines)
        with watched(files[0].name, self.pace, self.metrics_port) as watch:
            return run_raw(
                messages, question, self.target, self.pace, outputs, self.amplifier, self.begins_ms, watch
            )

    def rows(self, files: list[Path], format: str, use_last_row: bool) -> Summary:
        """Send the rows of files of a public format as events."""
        mapping = load_mapping(format)
        recorded = read_events(files, mapping, use_last_row)
        report_complaints([str(complaint) for complaint in recorded.complaints])
        orders, clicks = amplified(recorded.orders, self.amplifier), recorded.clicks
        if clicks is not None:
            back = {theirs: ours for ours, theirs in AS_ORDERS.items()}
            clicks = amplified(clicks.rename(AS_ORDERS), self.amplifier).rename(back)
        orders, clicks = from_then_on(orders, clicks, self.begins_ms)
        outputs = self._outputs(_first_ms(*(f["event_ms"] for f in (orders, clicks) if f is not None)))
        question = question_about(mapping.name, self.sale_opens, self.baselines)
        with watched(mapping.name, self.pace, self.metrics_port) as watch:
            return run_recording(
                orders, question, self.target, self.pace, outputs, self.key or "order", watch, clicks
            )

    def _outputs(self, first_ms: int) -> Outputs:
        return Outputs(
            self.oracle, self.summary, instants_of(self.at, self.oracle, DEFAULT_TIMEZONE, first_ms)
        )


def _first_ms(*times: pl.Series) -> int:
    return min((int(t.min()) for t in times if len(t)), default=0)  # type: ignore[arg-type]


def recordings(files: list[Path], key: Key | None) -> pl.DataFrame:
    """The messages of several recordings. Raises ``LoadgenError`` if one is none, or a key is asked for."""
    for path in files:
        if not is_recording(path):
            raise LoadgenError(f"{path}: add --format, the mapping that says what its columns are")
    if key is not None:
        raise LoadgenError("--key: a recording keeps the keys that it has; leave it out")
    frames = []
    for path in files:
        messages, complaints = read_recording(path)
        empty = messages["value"].null_count()
        if empty:
            complaints.append(f"{path.name}: {empty:,} messages without a value (tombstones); not used")
        report_complaints(complaints)
        frames.append(messages)
    return pl.concat(frames)


def baselines_of(path: Path) -> list[Baseline]:
    """The newest baseline of each merchant in a recording. Raises ``LoadgenError`` if one is none."""
    newest: dict[bytes, Baseline] = {}
    for key, value in read_recording(path)[0].sort("offset").select("key", "value").iter_rows():
        if value is None:
            newest.pop(key, None)
            continue
        try:
            newest[key] = msgspec.json.decode(value, type=Baseline)
        except msgspec.DecodeError as error:
            raise LoadgenError(f"{path}: not a recording of baselines: {error}") from error
    return list(newest.values())


AS_ORDERS: Final = {"event_id": "order_id", "visitor_id": "member_id"}
"""What the amplifier makes twins of, called as it calls them."""


def from_then_on(
    orders: pl.DataFrame, clicks: pl.DataFrame | None, begins_ms: int | None
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """The same orders and clicks, the first of them at ``begins_ms``; None: as they are."""
    times = orders["event_ms"] if clicks is None else pl.concat([orders["event_ms"], clicks["event_ms"]])
    if begins_ms is None or len(times) == 0:
        return orders, clicks
    moved = pl.col("event_ms") - times.min() + begins_ms
    return orders.with_columns(moved), None if clicks is None else clicks.with_columns(moved)


def record(
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="The recording: .parquet, .ndjson or .jsonl, the latter also .gz."),
    ],
    from_topic: Annotated[list[str], typer.Option(help="A topic; may be repeated.")],
    brokers: Brokers = "127.0.0.1:9092",
    from_time: Annotated[
        str | None, typer.Option("--from", help="First Kafka timestamp, like 2019-12-12T00:00:00+08:00.")
    ] = None,
    to_time: Annotated[str | None, typer.Option("--to", help="Kafka timestamp to end before.")] = None,
    kafka: KafkaSettings = None,
) -> None:
    """Write the messages of topics to a file: key, value, headers, timestamp, partition, offset."""
    span = Span(
        None if from_time is None else instant_ms("--from", from_time),
        None if to_time is None else instant_ms("--to", to_time),
    )
    console = Console(file=sys.stderr)
    if console.is_terminal:
        with console.status("recording") as status:
            done = record_topics(
                settings(brokers, kafka), from_topic, out, span,
                lambda r: status.update(f"recording: {r.messages:,} messages of {r.read:,} read"),
            )  # fmt: skip
    else:
        done = record_topics(settings(brokers, kafka), from_topic, out, span)
    typer.echo(recorded_sentence(done, out))
    if not done.complete:
        raise typer.Exit(1)


def recorded_sentence(done: Recorded, out: Path) -> str:
    """What was recorded, on one line."""
    text = f"{out}: {done.messages:,} messages ({done.size_bytes:,} bytes) of {done.read:,} read"
    return text if done.complete else f"STOPPED EARLY. {text}; they are kept"
