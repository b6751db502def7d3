"""``loadgen``: rehearse the night. Flags in, one line or a table out, no arithmetic."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from loadgen import scenario as scenarios
from loadgen.errors import LoadgenError
from loadgen.mapping import load_mapping
from loadgen.oracle import Answers
from loadgen.pacing import Pace
from loadgen.progress import progress
from loadgen.recorded import Complaint, read_files
from loadgen.replay import question_about
from loadgen.run import Outputs, Target, run_recording, run_scenario
from loadgen.summary import Summary, sentence
from loadgen.verify import differences, table
from schemas.redis_layout import DEFAULT_PREFIX

app = typer.Typer(
    help="Replay recorded days and make days that have not happened yet, and know the right answers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Brokers = Annotated[str, typer.Option(help="Kafka address, HOST:PORT[,HOST:PORT].")]
KafkaSettings = Annotated[
    list[str] | None, typer.Option("--kafka", help="A librdkafka setting, KEY=VALUE; may be repeated.")
]
OracleFile = Annotated[Path | None, typer.Option(help="Write the exact expected results here (JSON).")]
SummaryFile = Annotated[Path | None, typer.Option(help="Write the account of the run here (JSON).")]
Speed = Annotated[
    float | None, typer.Option(help="Scenario seconds a real second; 1 is real time.", min=0.001)
]
Rate = Annotated[float | None, typer.Option(help="Events a second, evenly.", min=0.001)]
AsFastAs = Annotated[bool, typer.Option("--max", help="As fast as the broker takes it.")]
Partitions = Annotated[int | None, typer.Option(help="Partitions of the orders topic.", min=1, max=4096)]
CreateTopics = Annotated[bool, typer.Option("--create-topics", help="Make topics that are not there.")]


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="A shipped scenario, or the path of a .toml file.")],
    brokers: Brokers = "127.0.0.1:9092",
    speed: Speed = None,
    rate: Rate = None,
    as_fast_as: AsFastAs = False,
    orders: Annotated[int | None, typer.Option(help="Paid orders in all.", min=1)] = None,
    seed: Annotated[
        int | None, typer.Option(help="Another seed: another day of the same kind.", min=0)
    ] = None,
    hours: Annotated[int | None, typer.Option(help="Only the first hours of the day.", min=1, max=24)] = None,
    oracle: OracleFile = None,
    summary: SummaryFile = None,
    partitions: Partitions = None,
    create_topics: CreateTopics = False,
    topic_orders: str = "orders",
    topic_baselines: str = "baselines",
    events_per_message: Annotated[
        int, typer.Option(help="Pack this many events a message.", min=1, max=1000)
    ] = 1,
    kafka: KafkaSettings = None,
) -> None:
    """Make a day and send it."""
    pace = pace_of(speed, rate, as_fast_as)
    chosen = {"orders": orders, "seed": seed, "hours": hours}
    day = msgspec.structs.replace(
        scenarios.load(scenario), **{k: v for k, v in chosen.items() if v is not None}
    )
    target = Target(settings(brokers, kafka), topic_orders, topic_baselines, partitions, create_topics)
    with progress(day.name, pace) as watch:
        done = run_scenario(day, target, pace, Outputs(oracle, summary), events_per_message, watch)
    finish(done)


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="Recorded files, plain or compressed (gzip, zstd).")],
    format: Annotated[str, typer.Option(help="A shipped mapping, or the path of a .toml file.")],
    brokers: Brokers = "127.0.0.1:9092",
    speed: Speed = None,
    rate: Rate = None,
    as_fast_as: AsFastAs = False,
    sale_opens: Annotated[
        str | None,
        typer.Option(help="For the oracle, like 2019-12-12T00:00:00+08:00; the first local midnight."),
    ] = None,
    use_last_row: Annotated[
        bool, typer.Option("--use-last-row", help="Use a last row that lacks its line end.")
    ] = False,
    oracle: OracleFile = None,
    summary: SummaryFile = None,
    partitions: Partitions = None,
    create_topics: CreateTopics = False,
    topic_orders: str = "orders",
    kafka: KafkaSettings = None,
) -> None:
    """Send a recorded day as orders."""
    pace = pace_of(speed, rate, as_fast_as)
    mapping = load_mapping(format)
    orders, complaints = read_files(files, mapping, use_last_row)
    report_complaints(complaints)
    target = Target(
        settings(brokers, kafka), topic_orders, partitions=partitions, create_topics=create_topics
    )
    question = question_about(mapping.name, sale_opens)
    with progress(mapping.name, pace) as watch:
        done = run_recording(orders, question, target, pace, Outputs(oracle, summary), watch)
    finish(done)


COMPLAINTS_SHOWN = 10


def report_complaints(complaints: list[Complaint]) -> None:
    """Rows that were not used, on standard error: the first few one by one, then how many."""
    for complaint in complaints[:COMPLAINTS_SHOWN]:
        typer.echo(f"loadgen: {complaint}", err=True)
    if complaints:
        typer.echo(f"loadgen: {len(complaints):,} rows were not used; all others are", err=True)


@app.command()
def verify(
    oracle: Annotated[Path, typer.Option(help="The expected results that a run wrote.")],
    redis: Annotated[str, typer.Option(help="URL of Redis.")] = "redis://127.0.0.1:6379/0",
    prefix: Annotated[str, typer.Option(help="Prefix of Warroom's keys.")] = DEFAULT_PREFIX,
) -> None:
    """Compare Redis with the oracle; exit code 1 if anything differs."""
    answers = read_answers(oracle)
    found = differences(redis, prefix, answers)
    if found:
        Console().print(table(found))
        raise typer.Exit(1)
    fields = sum(len(m.measures) + len(m.multiples) for m in answers.merchants.values())
    typer.echo(f"all right: {len(answers.merchants):,} merchants, {fields:,} fields, and the totals agree")


def read_answers(path: Path) -> Answers:
    """An oracle file. Raises ``LoadgenError`` naming what is wrong with it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Answers)
    except OSError as error:
        raise LoadgenError(f"{path}: cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise LoadgenError(f"{path}: not an oracle file of loadgen run --oracle: {error}") from error


def pace_of(speed: float | None, rate: float | None, as_fast_as: bool) -> Pace:
    """The mode asked for; real time if none is. Raises ``LoadgenError`` if more than one is."""
    asked = [f for f, given in (("--speed", speed), ("--rate", rate), ("--max", as_fast_as or None)) if given]
    if len(asked) > 1:
        raise LoadgenError(f"{' and '.join(asked)} contradict each other; give one of --speed, --rate, --max")
    return Pace(speed=1.0) if not asked else Pace(speed=speed, rate=rate)


def settings(brokers: str, kafka: list[str] | None) -> dict[str, str]:
    """What librdkafka is told. Raises ``LoadgenError`` for a setting without ``=``."""
    chosen = {"bootstrap.servers": brokers}
    for pair in kafka or []:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise LoadgenError(f"--kafka {pair!r}: write KEY=VALUE, for example security.protocol=SSL")
        chosen[key] = value
    return chosen


def finish(done: Summary) -> None:
    """Say what was done; exit code 1 if not all of it was."""
    typer.echo(sentence(done))
    if not done.complete:
        raise typer.Exit(1)


def main() -> None:
    """The console script: what a person did wrong is one line on standard error."""
    try:
        app()
    except LoadgenError as error:
        print(f"loadgen: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
