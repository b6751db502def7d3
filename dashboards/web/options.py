"""What the web application has to be told: where results are, who may ask, how often it looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.redis_layout import DEFAULT_PREFIX
from schemas.windows import DEFAULT_TIMEZONE

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Names that a browser of this machine may call the server by."""


@dataclass(frozen=True, slots=True)
class WebOptions:
    """``refresh_ms``: pause between two reads of Redis while somebody watches.

    ``token``: what a request has to carry; None: nothing. ``hosts``: names beside the loopback ones that
    a request may call the server by. ``requests_per_second`` and ``burst`` bound what one address may
    ask of the expensive resources.
    """

    redis_url: str
    prefix: str = DEFAULT_PREFIX
    refresh_ms: int = 500
    timezone: str = DEFAULT_TIMEZONE
    sale_opens_ms: int | None = None
    token: str | None = None
    hosts: frozenset[str] = frozenset()
    requests_per_second: float = 20.0
    burst: int = 100
    viewers_at_most: int = 2_000
