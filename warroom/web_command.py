"""``warroom web``: the wall page and the JSON API, served by uvicorn until somebody ends it."""

from __future__ import annotations

import logging
import signal
import socket
from types import FrameType
from typing import Final

import msgspec

from warroom.children import LOOPBACK
from warroom.errors import PreflightError
from warroom.metrics_reader import read_vitals
from warroom.reader import ResultsReader
from warroom.report import Asked, battle_report
from warroom.settings import Settings, milliseconds

try:
    import uvicorn

    from dashboards.web.app import WebApp, web_app
    from dashboards.web.options import WebOptions
except ModuleNotFoundError as missing:  # pragma: no cover - the extra is not installed
    raise PreflightError(
        f"the page needs {missing.name}; install it with: pip install 'warroom[web]'"
    ) from None

log = logging.getLogger("warroom.web")

GRACE_SECONDS: Final = 1
"""How long requests that are being answered may go on once the end has been asked for."""


def serve_web(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises ``PreflightError`` where it cannot listen."""
    web = settings.web
    if web.token is None and not is_loopback(web.host):
        log.warning(
            "everybody who reaches %s:%d may read the results; set web.token to ask for one",
            web.host,
            web.port,
        )
    with listening(web.host, web.port) as listener:
        print(f"The wall is at {address_of(settings)}", flush=True)
        server = Server(application(settings))
        # uvicorn raises the signal that ended it once more when it is done: then it means nothing.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, server.handle_exit)
        server.run([listener])


def application(settings: Settings) -> WebApp:
    """The web application over what the settings say."""
    web, metrics, opens = settings.web, settings.metrics, settings.sale.opens
    opens_ms = None if opens is None else milliseconds(opens)
    options = WebOptions(
        redis_url=settings.redis.url,
        prefix=settings.redis.prefix,
        refresh_ms=web.refresh_ms,
        timezone=settings.engine.timezone,
        sale_opens_ms=opens_ms,
        token=web.token,
        hosts=frozenset(web.hosts) | ({web.host.lower()} if web.host not in ("0.0.0.0", "::") else set()),
    )

    def report() -> bytes:
        reader = ResultsReader(settings.redis.url, settings.redis.prefix)
        try:
            asked = Asked(
                watched=settings.engine.series_watch,
                sale_opens_ms=opens_ms,
                timezone=settings.engine.timezone,
                least_orders=settings.engine.leaderboard_min_orders,
            )
            return msgspec.json.encode(battle_report(reader, asked))
        finally:
            reader.close()

    def lag_messages() -> int | None:
        vitals = read_vitals(metrics.host, metrics.port, settings.engine.workers)
        return vitals.lag_messages if vitals.workers_up else None

    return web_app(options, report, lag_messages)


class Server(uvicorn.Server):
    """uvicorn, but open event streams end when shutdown begins: by itself it waits for them for ever."""

    def __init__(self, app: WebApp) -> None:
        super().__init__(
            uvicorn.Config(
                app.asgi,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """What a signal does."""
        self._app.end()
        super().handle_exit(sig, frame)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    return host in (LOOPBACK, "localhost", "::1")


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises ``PreflightError``."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        # Python adds the address to the words of the system.
        why = (error.strerror or str(error)).partition(" (")[0].lower()
        raise PreflightError(
            f"the page cannot be served on {host}:{port}: {why}; choose another --port"
        ) from None


def address_of(settings: Settings) -> str:
    """Where a browser finds the page."""
    host = settings.web.host
    name = {"0.0.0.0": LOOPBACK, "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{settings.web.port}/"
