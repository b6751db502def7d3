"""What a worker process tells its supervisor, over a pipe: signs of life, and why it ends.

One line a message: ``beat``; ``consuming`` once; ``failed: …`` for what a new start may mend; ``refused: …``
for what it cannot. The beat comes from the flow itself, so a worker whose flow stands still falls silent.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from typing import Final

BEAT_SECONDS: Final = 0.5
_BEAT: Final = "beat"
_CONSUMING: Final = "consuming"
_FAILED: Final = "failed: "
_REFUSED: Final = "refused: "


class Reporter:
    """The worker's end of the pipe. A pipe that is full or closed is no reason to stop counting."""

    def __init__(self, pipe: int) -> None:
        os.set_blocking(pipe, False)
        self._pipe = pipe
        self._next_beat = 0.0

    def beat(self) -> None:
        """Give a sign of life, at most one in ``BEAT_SECONDS``."""
        now = time.monotonic()
        if now >= self._next_beat:
            self._next_beat = now + BEAT_SECONDS
            self._say(_BEAT)

    def consuming(self) -> None:
        """Tell that events are counted here again."""
        self._say(_CONSUMING)

    def failed(self, reason: str) -> None:
        """Tell why this worker ends; starting again may help."""
        self._say(_FAILED + _one_line(reason))

    def refused(self, reason: str) -> None:
        """Tell why this worker ends; starting again cannot help."""
        self._say(_REFUSED + _one_line(reason))

    def _say(self, line: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self._pipe, line.encode() + b"\n")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:1_000]


@dataclass(slots=True)
class Listener:
    """The supervisor's end of one worker's pipe."""

    pipe: int
    heard_at: float = field(default_factory=time.monotonic)
    """Monotonic seconds of the last sign of life; the start counts as one."""
    beats: int = 0
    consuming: bool = False
    """It has counted events that were new to its run."""
    failure: str | None = None
    refusal: str | None = None
    _rest: bytes = b""

    def listen(self) -> None:
        """Read what is there without waiting."""
        os.set_blocking(self.pipe, False)
        try:
            while chunk := os.read(self.pipe, 65_536):
                self._rest += chunk
        except BlockingIOError:
            pass
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            self._take(line.decode())

    def _take(self, line: str) -> None:
        if line.startswith(_FAILED):
            self.failure = line.removeprefix(_FAILED)
        elif line.startswith(_REFUSED):
            self.refusal = line.removeprefix(_REFUSED)
        elif line == _CONSUMING:
            self.consuming = True
        else:
            self.beats += 1
            self.heard_at = time.monotonic()

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self.pipe)
