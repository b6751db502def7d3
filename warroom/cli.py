"""The command line: ``warroom COMMAND``. Commands read settings and hand over; what they do is elsewhere.

Errors are one line on standard error; exit code 2 where settings, servers or arguments are wrong.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from schemas.windows import WINDOWS
from warroom import flags
from warroom.config import load
from warroom.errors import ConfigurationError, WarroomError
from warroom.phrases import LANGUAGES, Language
from warroom.standby import Standby

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Real-time flash-sale analytics.",
    pretty_exceptions_enable=False,
)

Lang = Annotated[str, typer.Option(help="zh (Traditional Chinese) or en.")]
Bounded = Annotated[
    bool, typer.Option("--bounded", help="Stop when every partition has been read to its end.")
]
StartOver = Annotated[
    bool, typer.Option("--start-over", help="Overwrite newer results in Redis: the topics are new ones.")
]
Hosts = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT,…", help="Every worker process of a cluster on several machines."),
]
Index = Annotated[int | None, typer.Option(help="Which of --hosts this one is, from 0.")]


@app.command()
def run(
    context: typer.Context,
    config: flags.ConfigFile = None,
    brokers: flags.Brokers = None,
    redis: flags.RedisUrl = None,
    prefix: flags.Prefix = None,
    workers: flags.Workers = None,
    metrics_host: flags.MetricsHost = None,
    metrics_port: flags.MetricsPort = None,
    sale_opens: flags.SaleOpens = None,
    state: flags.State = None,
    no_state: flags.NoState = False,
    bounded: Bounded = False,
    start_over: StartOver = False,
    hosts: Hosts = None,
    index: Index = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="At the end, print where a microsecond of each event went.")
    ] = False,
) -> None:
    """Count: start the worker processes and keep them running.

    SIGTERM and Ctrl-C drain and end; SIGUSR1 reads to the end of every topic first.
    """
    from warroom.run_command import run as run_war_room

    given = {
        "--brokers": brokers,
        "--redis": redis,
        "--prefix": prefix,
        "--workers": workers,
        "--metrics-host": metrics_host,
        "--metrics-port": metrics_port,
        "--sale-opens": sale_opens,
        "--state": state,
    }
    settings = load(config, os.environ, flags.given_by(given, no_state)).settings
    run_war_room(
        settings,
        os.environ,
        context.obj,
        bounded=bounded,
        start_over=start_over,
        hosts=hosts,
        index=index,
        profile=profile,
    )


@app.command()
def config(
    config: flags.ConfigFile = None,
    brokers: flags.Brokers = None,
    redis: flags.RedisUrl = None,
    prefix: flags.Prefix = None,
) -> None:
    """Show the settings in force and where each comes from; secrets stay hidden."""
    from warroom.config_report import config_text

    given = {"--brokers": brokers, "--redis": redis, "--prefix": prefix}
    typer.echo(config_text(load(config, os.environ, flags.given_by(given))), nl=False)


@app.command()
def services(
    write: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a configuration with their addresses.")
    ] = None,
    kafka_port: Annotated[int, typer.Option(help="Port of the broker; 0 takes a free one.")] = 0,
    redis_port: Annotated[int, typer.Option(help="Port of Redis; 0 takes a free one.")] = 0,
) -> None:
    """Start a Kafka broker and a Redis in memory, for trying things; Ctrl-C ends them."""
    from warroom.services_command import serve

    serve(write, kafka_port, redis_port)


@app.command()
def top(
    config: flags.ConfigFile = None,
    redis: flags.RedisUrl = None,
    prefix: flags.Prefix = None,
    metric: Annotated[
        str,
        typer.Option(
            help="sales_multiple, gmv, orders, new_members, new_member_multiple or private_traffic_share."
        ),
    ] = "sales_multiple",
    window: Annotated[str, typer.Option(help="1m, 5m, 1h, 12h, day or sale.")] = "1h",
    once: Annotated[bool, typer.Option("--once", help="Print the table once.")] = False,
) -> None:
    """Show who leads now, live. Keys: m next metric, w next window, q quit."""
    from warroom.table import METRICS, View
    from warroom.top import show_top

    one_of("--metric", metric, METRICS)
    one_of("--window", window, WINDOWS)
    settings = load(config, os.environ, flags.given_by({"--redis": redis, "--prefix": prefix})).settings
    show_top(settings, View(metric, window), once)


@app.command()
def report(
    config: flags.ConfigFile = None,
    redis: flags.RedisUrl = None,
    prefix: flags.Prefix = None,
    sale_opens: flags.SaleOpens = None,
    merchant: Annotated[
        list[str] | None, typer.Option(help="Merchant to tell about; may be repeated.")
    ] = None,
    leaders: Annotated[int, typer.Option(min=0, max=1000, help="Places on the leaderboard.")] = 10,
    lang: Lang = "zh",
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Tell the night: the battle report, 戰報, from the results in Redis."""
    from warroom.report_command import print_report

    given = {"--redis": redis, "--prefix": prefix, "--sale-opens": sale_opens}
    settings = load(config, os.environ, flags.given_by(given)).settings
    print_report(settings, tuple(merchant or ()), leaders, language(lang), as_json)


@app.command()
def web(
    config: flags.ConfigFile = None,
    redis: flags.RedisUrl = None,
    prefix: flags.Prefix = None,
    sale_opens: flags.SaleOpens = None,
    host: flags.WebHost = None,
    port: flags.WebPort = None,
) -> None:
    """Serve the wall page and the JSON API; SIGTERM and Ctrl-C end it."""
    from warroom.web_command import serve_web

    given = {
        "--redis": redis,
        "--prefix": prefix,
        "--sale-opens": sale_opens,
        "--host": host,
        "--port": port,
    }
    serve_web(load(config, os.environ, flags.given_by(given)).settings)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Progress lines instead of the live screen.")] = False,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as JSON.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave broker, Redis and page running.")] = False,
    lang: Lang = "zh",
    speed: Annotated[float, typer.Option(min=1, help="Seconds of the night a second.")] = 1440,
    orders: Annotated[int | None, typer.Option(min=1, help="Orders in all; default: 2,000,000.")] = None,
    browse: Annotated[bool, typer.Option("--open", help="Open the wall page in a browser.")] = False,
) -> None:
    """Play the night of 12 December 2019 in a minute and check every number against the oracle.

    Exit code 0 only if all agree exactly.
    """
    from warroom.demo import Show, play
    from warroom.demo_stage import Pace

    live = sys.stdout.isatty() and not once
    if not play(Pace(speed, orders), Show(live, language(lang), json, keep, browse)):
        raise typer.Exit(1)


def one_of(flag: str, value: str, known: Sequence[str]) -> None:
    """Raises ``ConfigurationError`` naming what would be right."""
    if value not in known:
        raise ConfigurationError(f"{flag}: {value!r}: must be one of {', '.join(known)}")


def language(name: str) -> Language:
    """A language by its name. Raises ``ConfigurationError``."""
    one_of("--lang", name, LANGUAGES)
    return "zh" if name == "zh" else "en"


def main(standby: Standby | None = None) -> None:
    """Run a command and end the process with its exit code. ``standby``: what workers are to come from."""
    logging.basicConfig(level=logging.WARNING, format="warroom: %(message)s", stream=sys.stderr)
    logging.getLogger("warroom").setLevel(logging.INFO)
    sys.exit(exit_code(standby))


def exit_code(standby: Standby | None = None) -> int:
    """Run the command of ``sys.argv``; an error becomes a line on standard error."""
    try:
        return int(app(standalone_mode=False, obj=standby) or 0)
    except WarroomError as error:
        typer.echo(f"warroom: {error}", err=True)
        return error.exit_code
    except typer.TyperException as error:
        typer.echo(f"warroom: {' '.join(error.format_message().split())}; see --help", err=True)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
