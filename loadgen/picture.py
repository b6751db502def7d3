"""An outlook as a picture: SVG, written by hand, without any library; PNG from the same SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final

import numpy as np

from loadgen.draws import I64
from loadgen.errors import LoadgenError
from loadgen.outlook import F64, Outlook

WIDTH: Final = 1280
HEIGHT: Final = 760
LEFT: Final = 84
RIGHT: Final = 196
PLOT: Final = WIDTH - LEFT - RIGHT
TOP_PANEL: Final = (84, 372)
"""Upper and lower edge of the arrivals, then of the multiples."""
LOW_PANEL: Final = (448, 712)
LEAST_MULTIPLE: Final = 0.01
FONTS: Final = (
    "'Noto Sans CJK TC','Noto Sans TC','PingFang TC','Microsoft JhengHei','WenQuanYi Zen Hei',sans-serif"
)
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#B8A500")
"""After Okabe and Ito: told apart by all eyes."""
INK: Final = "#222222"
PALE: Final = "#d9d9d9"
ZOOM: Final = 2


def write_picture(outlook: Outlook, path: Path) -> None:
    """Draw into a .svg or .png file. Raises ``LoadgenError`` for another, or one that cannot be written."""
    if path.suffix not in (".svg", ".png"):
        raise LoadgenError(f"{path}: a picture's name ends in .svg or .png")
    svg = picture(outlook)
    data = svg.encode() if path.suffix == ".svg" else _png(svg, path)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise LoadgenError(f"{path}: cannot be written: {error.strerror}") from error


def _png(svg: str, path: Path) -> bytes:
    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        raise LoadgenError(
            f"{path}: PNG needs the package resvg-py (pip install 'warroom[plot]'); .svg needs nothing"
        ) from error
    return bytes(svg_to_bytes(svg_string=svg, zoom=ZOOM, background="#ffffff"))


def picture(outlook: Outlook) -> str:
    """The whole SVG: arrivals a second above, multiples of the last hour below, both over the day's clock."""
    scenario = outlook.scenario
    told = (
        f"{scenario.name} · {scenario.day} {scenario.timezone} · {outlook.events:,} events · "
        f"{outlook.merchants:,} merchants · seed {scenario.seed}"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="{FONTS}" font-size="13" fill="{INK}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 32, scenario.title, size=20),
        _text(LEFT, 54, told, colour="#666666"),
        *_arrivals(outlook),
        *_multiples(outlook),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _arrivals(outlook: Outlook) -> Iterator[str]:
    """Each second's arrivals: the busiest second of each column of pixels pale, their mean full."""
    top, bottom = TOP_PANEL
    peak = max(1, max(int(counts.max()) for counts in outlook.arrivals.values()))
    high = _nice(peak)
    yield _text(LEFT, top - 12, "arrivals a second: line = mean, shade = busiest second", colour="#444444")
    ticks = [(high * step / 4, bottom - (bottom - top) * step / 4) for step in range(5)]
    yield from _frame(
        TOP_PANEL, [(y, f"{value:,.0f}" if high >= 4 else f"{value:g}") for value, y in ticks], outlook
    )
    labels = []
    for colour, (topic, counts) in zip(COLOURS, outlook.arrivals.items(), strict=False):
        busiest, mean = _columns(counts)
        scale = (bottom - top) / high
        yield _area([bottom - value * scale for value in busiest], bottom, colour)
        yield _line([bottom - value * scale for value in mean], colour)
        at = int(counts.argmax())
        y = bottom - int(counts[at]) * scale
        labels.append((y, colour, f"{topic}: {int(counts[at]):,}/s", f"at {_clock(at)}"))
        yield f'<circle cx="{LEFT + at * PLOT / len(counts):.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
    yield from _labels(labels, TOP_PANEL)


def _multiples(outlook: Outlook) -> Iterator[str]:
    """Multiples on a scale of powers of ten; what is below ``LEAST_MULTIPLE`` is drawn at the bottom."""
    top, bottom = LOW_PANEL
    greatest = max((float(values.max()) for values in outlook.multiples.values()), default=1.0)
    low, high = math.log10(LEAST_MULTIPLE), max(0, math.ceil(math.log10(max(greatest, LEAST_MULTIPLE))))
    scale = (bottom - top) / (high - low)
    ticks = [(bottom - (power - low) * scale, f"{10.0**power:g}×") for power in range(int(low), high + 1)]
    yield _text(
        LEFT, top - 12, "the last hour's sales in multiples of an ordinary whole day", colour="#444444"
    )
    yield from _frame(LOW_PANEL, ticks, outlook)
    labels = []
    for colour, (name, values) in zip(COLOURS, outlook.multiples.items(), strict=False):
        heights = np.log10(np.maximum(values, LEAST_MULTIPLE))
        x = [LEFT + (minute + 1) * PLOT / len(values) for minute in range(len(values))]
        y = [bottom - (height - low) * scale for height in heights.tolist()]
        yield _line(y, colour, x)
        at = int(values.argmax())
        yield f'<circle cx="{x[at]:.1f}" cy="{y[at]:.1f}" r="3.5" fill="{colour}"/>'
        labels.append((y[at], colour, f"{name} {values[at]:,.2f}×", f"at {_clock((at + 1) * 60)}"))
    yield from _labels(labels, LOW_PANEL)


def _columns(counts: I64) -> tuple[list[float], list[float]]:
    """The greatest and the mean of the seconds that fall on each column of pixels."""
    width = min(PLOT, len(counts))
    edges = np.linspace(0, len(counts), width + 1).astype(np.int64)
    busiest = np.maximum.reduceat(counts, edges[:-1])
    mean: F64 = np.add.reduceat(counts, edges[:-1]) / np.diff(edges)
    return busiest.tolist(), mean.tolist()


def _frame(panel: tuple[int, int], ticks: list[tuple[float, str]], outlook: Outlook) -> Iterator[str]:
    """Grid lines with their values, and the hours below."""
    top, bottom = panel
    for y, label in ticks:
        yield f'<path d="M{LEFT} {y:.1f}H{LEFT + PLOT}" stroke="{PALE}" fill="none"/>'
        yield _text(LEFT - 8, y + 4, label, anchor="end")
    hours = outlook.scenario.hours
    every = 1 if hours <= 8 else 3
    for hour in range(0, hours + 1, every):
        x = LEFT + hour * PLOT / hours
        yield f'<path d="M{x:.1f} {top}V{bottom + 4}" stroke="{PALE}" fill="none"/>'
        yield _text(x, bottom + 20, f"{hour:02d}:00", anchor="middle")


def _labels(labels: list[tuple[float, str, str, str]], panel: tuple[int, int]) -> Iterator[str]:
    """Names at the right of the lines' peaks, moved apart where they would cover each other."""
    step, (top, bottom) = 34, panel
    placed = top + 4.0
    ordered = sorted(labels)
    for number, (y, colour, name, when) in enumerate(ordered):
        least = bottom - step * (len(ordered) - number)
        placed = min(max(y, placed), max(least, placed))
        yield _text(LEFT + PLOT + 14, placed + 4, name, colour=colour, size=14)
        yield _text(LEFT + PLOT + 14, placed + 19, when, colour="#666666", size=11)
        placed += step


def _line(y: list[float], colour: str, x: list[float] | None = None) -> str:
    return (
        f'<path d="{_path(y, x)}" stroke="{colour}" stroke-width="1.6" fill="none" stroke-linejoin="round"/>'
    )


def _area(y: list[float], bottom: float, colour: str) -> str:
    closed = f"{_path(y)}L{LEFT + PLOT:.1f} {bottom}L{LEFT} {bottom}Z"
    return f'<path d="{closed}" fill="{colour}" fill-opacity="0.25"/>'


def _path(y: list[float], x: list[float] | None = None) -> str:
    x = x or [LEFT + (column + 0.5) * PLOT / len(y) for column in range(len(y))]
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))


def _text(
    x: float, y: float, text: str, size: int = 13, colour: str = INK, anchor: str = "start"
) -> str:  # fmt: skip
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def _nice(value: float) -> float:
    """The next of 1, 2, 4, 8 (each times a power of ten) at or above a value."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 8, 10) if step * power >= value)


def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
