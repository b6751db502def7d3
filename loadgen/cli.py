"""``loadgen``: rehearse the night. Flags in, one line or a table out, no arithmetic."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from loadgen import scenario as scenarios
from loadgen.answer_files import read_answers
from loadgen.errors import LoadgenError
from loadgen.metrics import write_verify_metrics
from loadgen.options import (
    AsFastAs,
    AtOption,
    Brokers,
    CompressionOption,
    CreateTopics,
    KafkaSettings,
    KeyOption,
    MetricsPort,
    OracleFile,
    Partitions,
    Rate,
    Speed,
    SummaryFile,
    TimesOption,
    instants_of,
    now_ms,
    pace_of,
    settings,
)
from loadgen.plot_command import plot
from loadgen.probe_command import probe
from loadgen.replay_command import record, replay
from loadgen.run import Form, Outputs, Target, run_scenario
from loadgen.showing import finish, watched
from loadgen.verify import all_right, differences, table
from schemas.redis_layout import DEFAULT_PREFIX

app = typer.Typer(
    help="Replay recorded days and make days that have not happened yet, and know the right answers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


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
    at: AtOption = None,
    summary: SummaryFile = None,
    partitions: Partitions = None,
    create_topics: CreateTopics = False,
    topic_orders: str = "orders",
    topic_baselines: str = "baselines",
    topic_clicks: Annotated[str, typer.Option(help="Topic of clicks; empty: none are sent.")] = "clicks",
    events_per_message: Annotated[
        int, typer.Option(help="Pack this many events a message.", min=1, max=1000)
    ] = 1,
    key: KeyOption = "order",
    compression: CompressionOption = "none",
    processes: Annotated[
        int, typer.Option(help="Send from this many processes; the bytes stay the same.", min=1, max=64)
    ] = 1,
    times: TimesOption = "scenario",
    metrics_port: MetricsPort = None,
    kafka: KafkaSettings = None,
) -> None:
    """Make a day and send it, open loop: each message when it is due, whatever the broker does."""
    pace = pace_of(speed, rate, as_fast_as)
    begins_ms = now_ms() if times == "now" else None
    chosen = {"orders": orders, "seed": seed, "hours": hours, "begins_ms": begins_ms}
    day = msgspec.structs.replace(
        scenarios.load(scenario), **{k: v for k, v in chosen.items() if v is not None}
    )
    librdkafka = settings(brokers, kafka, compression)
    target = Target(librdkafka, topic_orders, topic_baselines, topic_clicks, partitions, create_topics)
    outputs = Outputs(oracle, summary, instants_of(at, oracle, day.timezone, day.start_ms))
    form = Form(events_per_message, key, processes)
    with watched(day.name, pace, metrics_port) as watch:
        done = run_scenario(day, target, pace, outputs, form, watch)
    finish(done)


@app.command()
def verify(
    oracle: Annotated[Path, typer.Option(help="The expected results that a run wrote.")],
    redis: Annotated[str, typer.Option(help="URL of Redis.")] = "redis://127.0.0.1:6379/0",
    prefix: Annotated[str, typer.Option(help="Prefix of Warroom's keys.")] = DEFAULT_PREFIX,
    at: Annotated[
        str | None,
        typer.Option(help="An instant that the run was asked about with --at; the end unless told."),
    ] = None,
    metrics_file: Annotated[
        Path | None, typer.Option(help="Write loadgen_verify_differences here, for a textfile collector.")
    ] = None,
) -> None:
    """Compare Redis with the oracle; exit code 1 if anything differs."""
    answers = read_answers(oracle, at)
    found = differences(redis, prefix, answers)
    if metrics_file is not None:
        write_verify_metrics(metrics_file, answers.scenario, len(found))
    if found:
        Console().print(table(found))
        raise typer.Exit(1)
    typer.echo(all_right(answers))


for command in (replay, record, probe, plot):
    app.command()(command)


def main() -> None:
    """The console script: what a person did wrong is one line on standard error."""
    try:
        app()
    except LoadgenError as error:
        print(f"loadgen: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
