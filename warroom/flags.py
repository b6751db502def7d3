"""The flags that stand for settings, and which setting each stands for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from warroom.config import Given

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Configuration; default: warroom.toml if there."),
]
Brokers = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Kafka brokers.")]
RedisUrl = Annotated[
    str | None, typer.Option("--redis", metavar="URL", help="Redis, as redis://host:port/0.")
]
Prefix = Annotated[str | None, typer.Option(metavar="TEXT", help="What every key in Redis starts with.")]
Workers = Annotated[str | None, typer.Option(metavar="N", help="Worker processes.")]
MetricsHost = Annotated[str | None, typer.Option(metavar="HOST", help="Address to serve metrics on.")]
MetricsPort = Annotated[
    str | None, typer.Option(metavar="PORT", help="Metrics of the first worker; the others follow.")
]
SaleOpens = Annotated[
    str | None, typer.Option(metavar="TIME", help="When the sale opens, e.g. 2019-12-12T00:00:00+08:00.")
]
WebHost = Annotated[str | None, typer.Option("--host", metavar="HOST", help="Address to serve the page on.")]
WebPort = Annotated[str | None, typer.Option("--port", metavar="PORT", help="Port of the page.")]
State = Annotated[str | None, typer.Option("--state", metavar="DIR", help="Directory of snapshots.")]
NoState = Annotated[bool, typer.Option("--no-state", help="Keep no snapshots: a restart counts anew.")]

PATHS: Final = {
    "--brokers": "kafka.brokers",
    "--redis": "redis.url",
    "--prefix": "redis.prefix",
    "--workers": "engine.workers",
    "--metrics-host": "metrics.host",
    "--metrics-port": "metrics.port",
    "--sale-opens": "sale.opens",
    "--state": "state.directory",
    "--host": "web.host",
    "--port": "web.port",
}


def given_by(flags: dict[str, str | None], no_state: bool = False) -> list[Given]:
    """Flags that were given, as settings; one without a value was not."""
    given = [Given(PATHS[flag], value, flag) for flag, value in flags.items() if value is not None]
    return [*given, Given("state.enabled", False, "--no-state")] if no_state else given
