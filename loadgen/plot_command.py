"""``loadgen plot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from loadgen import scenario as scenarios
from loadgen.errors import LoadgenError
from loadgen.outlook import Outlook, outlook
from loadgen.picture import write_picture


def plot(
    scenario: Annotated[str, typer.Argument(help="A shipped scenario, or the path of a .toml file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The picture: .svg, or .png with warroom[plot].")],
    orders: Annotated[int | None, typer.Option(help="Paid orders in all.", min=1)] = None,
    seed: Annotated[
        int | None, typer.Option(help="Another seed: another day of the same kind.", min=0)
    ] = None,
    hours: Annotated[int | None, typer.Option(help="Only the first hours of the day.", min=1, max=24)] = None,
) -> None:
    """Draw arrivals a second and the multiples to expect, to look at a scenario before it is run."""
    if not out.parent.is_dir():
        raise LoadgenError(f"{out}: the folder {out.parent} does not exist; make it or name another")
    chosen = {"orders": orders, "seed": seed, "hours": hours}
    day = msgspec.structs.replace(
        scenarios.load(scenario), **{k: v for k, v in chosen.items() if v is not None}
    )
    look = outlook(day, everybody="全部 all")
    write_picture(look, out)
    typer.echo(plot_sentence(look, out))


def plot_sentence(look: Outlook, out: Path) -> str:
    """What is to be seen, on one line."""
    peaks = ", ".join(f"{topic} {int(counts.max()):,}/s" for topic, counts in look.arrivals.items())
    return f"{out}: {look.scenario.name}, {look.events:,} events; busiest second: {peaks}"
