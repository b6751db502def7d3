"""``make pictures``: the pictures of the README, taken from the real demo.

    python -m tests.web.pictures [--speed N] [--into docs/pictures]

The night is played up to an hour at which it is remembered for something, and stands still there until the
war room has counted all of it: so a busy machine makes the pictures late, never wrong. Each picture is
taken when the page shows the remembered figure; where it never does, nothing is written and this fails.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser

from tests.web.rig import Wall, chromium
from warroom.children import accepts
from warroom.demo_stage import Pace, Stage
from warroom.errors import WarroomError
from warroom.waiting import wait_until

MOST_BYTES: Final = 400_000
READY_SECONDS: Final = 60.0
NIGHT_SECONDS: Final = 1_800.0
COUNTED_SECONDS: Final = 600.0
BEHIND_MS: Final = 60_000
"""A page whose watermark is further behind the newest event has not caught up."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture. ``figure``: an element and the ``data-value`` that the night is remembered by."""

    name: str
    query: str
    size: tuple[int, int]
    figure: tuple[str, float]


LUNCH: Final = ('#board li[data-key="waipojia"] .multiple', 57.0)
"""外婆家: from 12 to 13 o'clock 57 times an ordinary day."""
MEMBERS: Final = 22.002398
"""美儷家族: 367 new members on the day, 22 times the usual."""


@dataclass(frozen=True, slots=True)
class Held:
    """The night held still at an hour."""

    hour: int
    pictures: tuple[Picture, ...]


NIGHTS: Final = (
    Held(
        13,
        (
            Picture("wall", "lang=zh-Hant", (1440, 810), LUNCH),
            Picture("phone", "lang=en", (390, 844), LUNCH),
            Picture("streamer", "lang=zh-Hans&streamer=1", (1280, 720), LUNCH),
        ),
    ),
    Held(
        24,
        (
            Picture(
                "merchant",
                "lang=en&merchant=meilijiazu",
                (1440, 810),
                ('#merchant td[data-field="new_member_multiple:day"]', MEMBERS),
            ),
        ),
    ),
)


class HeldStage(Stage):
    """The demo's stage, whose load ends at an hour."""

    def __init__(self, pace: Pace, hour: int) -> None:
        super().__init__(pace, keep=False)
        self._hour = hour

    def _spawn(self, module: str, *arguments: object) -> subprocess.Popen[bytes]:
        if module != "loadgen.cli":
            return super()._spawn(module, *arguments)
        return super()._spawn(
            *("tests.web.part_of_night", "--until-hour", self._hour),
            *("--brokers", self.broker.address, "--speed", self._pace.speed),
        )


@contextmanager
def held(night: Held, speed: float) -> Iterator[str]:
    """The demo as it stands at an hour, all of it counted; gives the wall's address."""
    stage = HeldStage(Pace(speed), night.hour)
    try:
        with stage:
            web = stage.settings.web
            if stage.wall_address is None or not wait_until(
                lambda: accepts(web.host, web.port), READY_SECONDS
            ):
                raise WarroomError("the wall did not start")
            if not wait_until(lambda: _sent(stage), NIGHT_SECONDS):
                raise WarroomError(f"the night was not sent within {NIGHT_SECONDS:g} s")
            if not wait_until(lambda: caught_up(summary(web.host, web.port)), COUNTED_SECONDS):
                raise WarroomError(f"not counted within {COUNTED_SECONDS:g} s: the machine is too busy")
            yield stage.wall_address.rstrip("/")
    finally:
        shutil.rmtree(stage.directory, ignore_errors=True)


def _sent(stage: Stage) -> bool:
    code = stage.load.poll()
    if code:
        raise WarroomError(f"the load failed: {(stage.directory / 'tests.log').read_text().strip()}")
    if code is None:
        stage.raise_if_failed()
    return code == 0


def summary(host: str, port: int) -> Any:  # noqa: ANN401 - JSON
    """What the wall's server says now."""
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", "/api/v1/summary")
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def caught_up(told: Any) -> bool:  # noqa: ANN401 - JSON
    """Whether nothing is left to read and every partition has come to the newest event."""
    clock, health = told.get("clock", {}), told.get("health", {})
    newest, watermark = clock.get("event_time_ms"), clock.get("watermark_ms")
    if health.get("lag_messages") != 0 or newest is None or watermark is None:
        return False
    return bool(newest - watermark <= BEHIND_MS)


def shows(wall: Wall, picture: Picture) -> bool:
    """Whether the figure stands on a page that is fresh, and no milestone's moment before it."""
    selector, wanted = picture.figure
    value = wall.value(selector)
    fresh = wall.page.get_attribute("#fresh", "data-state") == "fresh"
    return value is not None and abs(value - wanted) < 5e-4 and fresh and wall.page.is_hidden("#moment")


def take(browser: Browser, origin: str, picture: Picture, into: Path) -> None:
    """One picture, once the page shows its figure."""
    wall = Wall(browser, origin, picture.size).open(picture.query)
    wall.until(partial(shows, wall, picture), 60)
    drawn = wall.page.get_attribute("body", "data-drawn")
    # The curves come with a question of their own: one more update, and they are there.
    wall.until(lambda: wall.page.get_attribute("body", "data-drawn") != drawn)
    wall.until(lambda: not wall.page.evaluate(EMPTY_CANVAS))
    data = wall.page.screenshot()
    if len(data) > MOST_BYTES:
        sys.exit(f"{picture.name}: {len(data):,} bytes, more than {MOST_BYTES:,}")
    file = into / f"{picture.name}.png"
    file.write_bytes(data)
    print(f"{file}: {picture.figure[1]:g} ×, {len(data) / 1000:.0f} kB", flush=True)
    wall.close()


EMPTY_CANVAS: Final = """[...document.querySelectorAll("canvas")].some((c) => c.offsetParent
    && !c.getAttribute("aria-label")?.match(/\\d/))"""
"""A curve in sight whose label, which says what it shows, has no number yet."""


def main() -> None:
    """Play both parts of the night and take the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--speed", type=float, default=1440, help="seconds of the night a second")
    parser.add_argument("--into", type=Path, default=Path("docs/pictures"))
    given = parser.parse_args()
    given.into.mkdir(parents=True, exist_ok=True)
    try:
        with chromium() as browser:
            for night in NIGHTS:
                with held(night, given.speed) as origin:
                    for picture in night.pictures:
                        take(browser, origin, picture, given.into)
    except WarroomError as error:
        sys.exit(f"pictures: {error}")


if __name__ == "__main__":
    main()
