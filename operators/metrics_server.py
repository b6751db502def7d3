"""``/metrics``, ``/healthz`` and ``/readyz`` over HTTP, from threads of their own."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

log = logging.getLogger("warroom.metrics")

Check = Callable[[], str | None]
"""None if all is well, else the reason why not, as a sentence."""


STOP_WITHIN_S = 0.1


class MetricsPortError(Exception):
    """The address for metrics cannot be listened on; the message is one line for people."""


class Heartbeat:
    """Whether the flow's loop still goes round. ``limit_s``: longest time between two beats."""

    def __init__(self, limit_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._now_s = now_s
        self._last_s = now_s()

    def beat(self) -> None:
        """The loop has come round."""
        self._last_s = self._now_s()

    def check(self) -> str | None:
        """Why the process is to be thought hung; None if it is not."""
        silent_s = self._now_s() - self._last_s
        if silent_s <= self._limit_s:
            return None
        return f"the dataflow has not moved for {silent_s:.0f} s (limit {self._limit_s:.0f} s)"


class MetricsServer:
    """Serves one registry and two questions until it is closed.

    ``alive``: behind ``/healthz``. ``ready``: named checks behind ``/readyz``, which answers 503 with every
    reason as JSON if any fails. Raises ``MetricsPortError``. Port 0 takes a free one, see ``port``.
    """

    def __init__(
        self, host: str, port: int, registry: CollectorRegistry, alive: Check, ready: dict[str, Check]
    ) -> None:
        try:
            self._server = _Server((host, port), registry, alive, ready)
        except OSError as error:
            raise MetricsPortError(_unusable(host, port, error)) from None
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(STOP_WITHIN_S,), name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _unusable(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; choose another with --metrics-port"
    reason = (error.strerror or str(error)).lower()
    return f"metrics cannot be served on {host}:{port}: {reason}; choose another --metrics-host or -port"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 16

    def __init__(
        self, address: tuple[str, int], registry: CollectorRegistry, alive: Check, ready: dict[str, Check]
    ) -> None:
        self.registry = registry
        self.alive = alive
        self.ready = ready
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind only: http.server would look the host's name up, which can take seconds."""
        TCPServer.server_bind(self)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 5  # seconds for a client that does not send its request

    def do_GET(self) -> None:
        answers = {"/metrics": self._metrics, "/healthz": self._health, "/readyz": self._readiness}
        answer = answers.get(urlsplit(self.path).path)
        if answer is None:
            self._reply(
                404, "text/plain; charset=utf-8", b"not found; there is /metrics, /healthz, /readyz\n"
            )
            return
        answer()

    def _metrics(self) -> None:
        encode, content_type = choose_encoder(self.headers.get("Accept") or "")
        try:
            body = encode(self.server.registry)
        except Exception:
            log.exception("a scrape failed")
            self._reply(500, "text/plain; charset=utf-8", b"metrics could not be collected; see the log\n")
            return
        self._reply(200, content_type, body)

    def _health(self) -> None:
        self._verdict({"flow": self.server.alive()})

    def _readiness(self) -> None:
        self._verdict({name: check() for name, check in self.server.ready.items()})

    def _verdict(self, findings: dict[str, str | None]) -> None:
        reasons = {name: reason for name, reason in findings.items() if reason is not None}
        body = {"status": "unavailable", "reasons": reasons} if reasons else {"status": "ok"}
        self._reply(503 if reasons else 200, "application/json", json.dumps(body).encode() + b"\n")

    def _reply(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        # Whoever asked may have lost patience, as Prometheus does at its scrape timeout.
        with contextlib.suppress(ConnectionError):
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not worth a line."""
