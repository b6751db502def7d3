"""``make pictures``: the pictures of the README, taken from the real demo while it runs.

    python -m tests.web.pictures [--speed N] [--into docs/pictures]

Each picture is taken when the night's own clock has come to its moment.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser

from tests.web.rig import Wall, chromium
from warroom.children import accepts, end, start

MOST_BYTES: Final = 400_000
ADDRESS: Final = re.compile(rb"The wall: (http://(\S+):(\d+))/")
READY_SECONDS: Final = 120.0
NIGHT_SECONDS: Final = 1_200.0


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture. ``at``: the night's clock, ``waits_for``: a part of the page that has to be there."""

    name: str
    at: str
    query: str
    size: tuple[int, int]
    waits_for: str = "body:has(#moment[hidden]) #board li:nth-child(10)"


PICTURES: Final = (
    Picture("wall", "12:56:00", "lang=zh-Hant", (1440, 810)),
    Picture("merchant", "13:40:00", "lang=en&merchant=waipojia", (1440, 810), "#merchant td[data-field]"),
    Picture("streamer", "20:10:00", "lang=zh-Hans&streamer=1", (1280, 720)),
    Picture("phone", "20:20:00", "lang=en", (390, 844)),
)


def has_come(wall: Wall, picture: Picture) -> bool:
    """Whether it is the picture's moment and what it waits for is there."""
    return wall.text("#clock") >= picture.at and wall.page.locator(picture.waits_for).count() > 0


def take(browser: Browser, origin: str, into: Path) -> None:
    """All pictures, each at its moment."""
    for picture in PICTURES:
        wall = Wall(browser, origin, picture.size).open(picture.query)
        wall.until(partial(has_come, wall, picture), NIGHT_SECONDS)
        file = into / f"{picture.name}.png"
        wall.page.screenshot(path=file)
        size = file.stat().st_size
        print(f"{file}: {wall.page.inner_text('#clock') or picture.at}, {size / 1000:.0f} kB", flush=True)
        if size > MOST_BYTES:
            sys.exit(f"{file}: {size:,} bytes, more than {MOST_BYTES:,}")
        wall.close()


def address(demo: subprocess.Popen[bytes], log: Path) -> str:
    """Where the demo's wall is."""
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and demo.poll() is None:
        found = ADDRESS.search(log.read_bytes())
        if found and accepts(found[2].decode(), int(found[3])):
            return found[1].decode()
        time.sleep(0.1)
    sys.exit(f"the demo did not start: {log.read_text()}")


def main() -> None:
    """Run the demo and take the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--speed", type=float, default=360, help="seconds of the night a second")
    parser.add_argument("--into", type=Path, default=Path("docs/pictures"))
    given = parser.parse_args()
    given.into.mkdir(parents=True, exist_ok=True)
    log = given.into / "demo.log"
    command = [sys.executable, "-m", "warroom.cli", "demo", "--once", "--speed", str(given.speed)]
    with log.open("wb") as output:
        demo = start(command, output=output)
    try:
        with chromium() as browser:
            take(browser, address(demo, log), given.into)
    finally:
        end(demo)
        log.unlink()


if __name__ == "__main__":
    main()
