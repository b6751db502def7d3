"""One read of Redis an update, encoded once; every viewer gets the same bytes.

The loop rests while nobody watches. An update carries the sections that changed; a viewer that comes, or
has missed one because its line is slow, gets all of them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import orjson

from dashboards.web.problems import Problem

log = logging.getLogger("warroom.web")

Sections = dict[str, Any]
"""Name of a part of the wall to its JSON."""

RECONNECT_MS: Final = 1_000


class Broadcast:
    """``take`` reads the wall as it is now; ``partial`` makes of two walls' section what a viewer needs.

    ``boot`` names this start of the server, so that event ids of another mean nothing here.
    """

    def __init__(
        self,
        take: Callable[[], Awaitable[Sections]],
        partial: Callable[[str, Any, Any], Any],
        refresh_ms: int,
        viewers_at_most: int,
        boot: str,
    ) -> None:
        self._take = take
        self._partial = partial
        self._refresh_s = refresh_ms / 1000.0
        self._viewers_at_most = viewers_at_most
        self._boot = boot
        self._sections: Sections = {}
        self._encoded: dict[str, bytes] = {}
        self._taken_s = -1e9
        self._reading = asyncio.Lock()
        self._sequence = 0
        self._update = b""
        self._whole: bytes | None = None
        self._news = asyncio.Event()
        self._watched = asyncio.Event()
        self._ending = False
        self.viewers = 0

    async def sections(self) -> Sections:
        """The wall as it is now, at most one refresh old."""
        async with self._reading:
            if time.monotonic() - self._taken_s >= self._refresh_s:
                await self._read()
            return self._sections

    async def run(self) -> None:
        """Read and tell for ever, while somebody watches."""
        while not self._ending:
            await self._watched.wait()
            began_s = time.monotonic()
            try:
                async with self._reading:
                    await self._read()
            except Exception:  # one bad update must not be the last
                log.exception("an update failed")
            await asyncio.sleep(max(0.01, began_s + self._refresh_s - time.monotonic()))

    async def stream(self) -> AsyncIterator[bytes]:
        """Server-sent events for one viewer. Raises ``Problem`` 503 where there are too many."""
        if self.viewers >= self._viewers_at_most:
            raise Problem(503, "too-many-viewers", f"at most {self._viewers_at_most} may watch at once")
        return self._events()

    async def _events(self) -> AsyncIterator[bytes]:
        # After a rest the last update tells of then: the first viewer waits for the next.
        old = self._sequence if self.viewers == 0 else self._sequence - 1
        seen = -1
        self.viewers += 1
        self._watched.set()
        try:
            yield b"retry: %d\n\n" % RECONNECT_MS
            while not self._ending:
                if self._sequence > max(seen, old, 0):
                    news = self._update if seen == self._sequence - 1 else self._everything()
                    seen = self._sequence
                    yield news
                else:
                    await self._news.wait()
        finally:
            self.viewers -= 1
            if self.viewers == 0:
                self._watched.clear()

    def end(self) -> None:
        """End all streams: uvicorn waits for open ones at its own end."""
        self._ending = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _read(self) -> None:
        sections = await self._take()
        self._taken_s = time.monotonic()
        before = self._sections
        changed: Sections = {}
        for name, value in sections.items():
            if name in before and before[name] is value:
                continue
            encoded = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
            if encoded != self._encoded.get(name):
                changed[name] = self._partial(name, before.get(name), value)
                self._encoded[name] = encoded
        self._sections = sections
        self._sequence += 1
        self._update = self._event("update", orjson.dumps(changed, option=orjson.OPT_NON_STR_KEYS))
        self._whole = None
        self._wake()

    def _everything(self) -> bytes:
        if self._whole is None:
            parts = (orjson.dumps(name) + b":" + text for name, text in self._encoded.items())
            self._whole = self._event("whole", b"{" + b",".join(parts) + b"}")
        return self._whole

    def _event(self, kind: str, data: bytes) -> bytes:
        return b"event: %b\nid: %b-%d\ndata: %b\n\n" % (
            kind.encode(), self._boot.encode(), self._sequence, data,
        )  # fmt: skip
