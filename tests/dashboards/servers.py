"""Prometheus and Alertmanager on loopback, their questions, and a receiver of notifications."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from dashboards.prometheus.__main__ import GROUPS, yaml_text
from dashboards.prometheus.rule import Timing, rule_file
from dashboards.prometheus.scraping import prometheus_file
from warroom.services import EmbeddedServer

SCRAPE_S = 1.0
"""Also how long a scrape may take: on a busy machine half a second is not enough."""
AT_ONCE = Timing(every_s=SCRAPE_S, patience=0.0)
"""Rules for tests: evaluated at every scrape, alerts without waiting."""


def program(*names: str) -> str:
    """The first of these programs that is installed; the test fails with what to install otherwise."""
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.fail(
        f"{names[0]} is not installed; these tests need the Debian packages prometheus and "
        "prometheus-alertmanager: sudo apt-get install prometheus prometheus-alertmanager"
    )


def checked(*command: str | Path) -> str:
    """Run a checking tool; what it said. Fails with that if it does not approve."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def answer(url: str) -> Any:  # noqa: ANN401 - whatever JSON the server sends
    """What a server answers, as JSON; also an answer that is an error."""
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        return json.loads(error.read())


class _Ready(EmbeddedServer):
    """A server of the Prometheus family, which says itself whether it is ready."""

    def answers(self) -> bool:
        """Whether it is ready."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=1) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False


class PrometheusServer(_Ready):
    """A Prometheus with the project's rules. ``targets``: files as file_sd takes them, by name."""

    title = "Prometheus"

    def __init__(self, targets: dict[str, Any], alertmanagers: Sequence[str] = ()) -> None:
        super().__init__()
        self._targets = targets
        self._alertmanagers = alertmanagers

    def command(self, home: Path) -> list[str]:
        """It scrapes and evaluates once a second."""
        (home / "rules.yml").write_text(yaml_text(rule_file(GROUPS, AT_ONCE)))
        (home / "targets").mkdir()
        for name, content in self._targets.items():
            (home / "targets" / f"{name}.json").write_text(json.dumps(content))
        config = home / "prometheus.yml"
        scraping = prometheus_file(["rules.yml"], alertmanagers=self._alertmanagers, every_s=SCRAPE_S)
        config.write_text(yaml_text(scraping))
        return [
            program("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={home / 'data'}",
            f"--web.listen-address={self.address}",
        ]

    def ask(self, path: str, **parameters: str | float) -> Any:  # noqa: ANN401 - as Prometheus answers
        """The data of an API call; fails with Prometheus's own words if it refuses."""
        said = answer(f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        assert said["status"] == "success", (parameters, said.get("error"))
        return said["data"]

    def instant(self, expr: str, at_s: float | None = None) -> list[tuple[dict[str, str], float]]:
        """The series of an expression at a moment (now, if none is given): labels and value."""
        moment = {} if at_s is None else {"time": at_s}
        result = self.ask("query", query=expr, **moment)["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def value(self, expr: str) -> float | None:
        """The value of an expression that has one series; None while there is none."""
        found = self.instant(expr)
        assert len(found) <= 1, found
        return found[0][1] if found else None


class AlertmanagerServer(_Ready):
    """An Alertmanager. ``config``: its configuration's content."""

    title = "Alertmanager"

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self._config = config

    def command(self, home: Path) -> list[str]:
        """Without clustering."""
        config = home / "alertmanager.yml"
        config.write_text(yaml_text(self._config))
        return [
            program("prometheus-alertmanager", "alertmanager"),
            f"--config.file={config}",
            f"--storage.path={home / 'data'}",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
        ]


class Receiver:
    """Takes notifications by POST and keeps them; a context manager."""

    def __init__(self) -> None:
        self.notifications: list[tuple[str, dict[str, Any]]] = []
        """Path that was asked, and what Alertmanager sent."""
        keep = self.notifications.append

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                keep((self.path, json.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def url(self, path: str) -> str:
        """Where a receiver of this name listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def told(self, path: str, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Alerts told at ``path`` that are wanted, in the order in which they came."""
        return [
            alert
            for where, said in list(self.notifications)
            if where == path
            for alert in said["alerts"]
            if wanted(alert)
        ]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
