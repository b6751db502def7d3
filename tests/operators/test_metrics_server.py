"""The three pages of a worker: metrics, alive, ready."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from operators.metrics_server import Check, Heartbeat, MetricsPortError, MetricsServer
from warroom.waiting import wait_until


def well() -> None:
    return None


@contextmanager
def serving(
    registry: CollectorRegistry | None = None, alive: Check = well, ready: dict[str, Check] | None = None
) -> Iterator[MetricsServer]:
    server = MetricsServer("127.0.0.1", 0, registry or CollectorRegistry(), alive, ready or {})
    try:
        yield server
    finally:
        server.close()


def get(server: MetricsServer, path: str, accept: str = "") -> tuple[int, str, str]:
    """Status, content type and body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.request("GET", path, headers={"Accept": accept})
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read().decode()
    finally:
        connection.close()


def test_metrics_are_those_of_the_registry() -> None:
    registry = CollectorRegistry()
    Gauge("warroom_answer", "The answer.", registry=registry).set(42)
    with serving(registry) as server:
        status, content_type, body = get(server, "/metrics")
    assert (status, content_type.split(";")[0]) == (200, "text/plain")
    assert "warroom_answer 42.0\n" in body


def test_a_prometheus_that_asks_for_openmetrics_gets_it() -> None:
    with serving() as server:
        _, content_type, body = get(server, "/metrics?x=1", "application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith("# EOF\n")


def test_a_client_that_lost_patience_is_no_trouble(capfd: pytest.CaptureFixture[str]) -> None:
    gone, went = threading.Event(), threading.Event()

    class Slow(Collector):
        def collect(self) -> Iterator[Metric]:
            went.set()
            gone.wait(5)
            yield GaugeMetricFamily("warroom_long", "x" * 5_000_000, value=1)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Slow())
    with serving(registry) as server:
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert went.wait(5)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset at once
        client.close()
        gone.set()
        assert get(server, "/healthz")[0] == 200
        assert wait_until(lambda: not any("process_request" in t.name for t in threading.enumerate()), 5)
    assert capfd.readouterr().err == ""


def test_a_scrape_that_fails_is_an_answer_and_not_the_end() -> None:
    class Broken(Collector):
        def collect(self) -> Iterator[Metric]:
            raise RuntimeError("broken")

        def describe(self) -> list[Metric]:
            return []

    registry = CollectorRegistry()
    registry.register(Broken())
    with serving(registry) as server:
        assert get(server, "/metrics")[0] == 500
        assert get(server, "/healthz")[0] == 200


def test_a_process_whose_flow_moves_is_healthy() -> None:
    with serving(alive=Heartbeat(10).check) as server:
        assert get(server, "/healthz")[::2] == (200, '{"status": "ok"}\n')


def test_a_process_whose_flow_stands_still_is_not_healthy_until_it_moves() -> None:
    now_s = [100.0]
    heartbeat = Heartbeat(10, lambda: now_s[0])
    with serving(alive=heartbeat.check) as server:
        now_s[0] = 111.0
        status, _, body = get(server, "/healthz")
        assert status == 503
        assert json.loads(body)["reasons"] == {"flow": "the dataflow has not moved for 11 s (limit 10 s)"}
        heartbeat.beat()
        assert get(server, "/healthz")[0] == 200


def test_a_process_is_ready_when_every_check_is_content() -> None:
    with serving(ready={"kafka": well, "redis": well}) as server:
        assert get(server, "/readyz")[0] == 200


def test_a_process_that_is_not_ready_says_why() -> None:
    with serving(ready={"kafka": well, "redis": lambda: "Redis does not answer"}) as server:
        status, content_type, body = get(server, "/readyz")
    assert (status, content_type) == (503, "application/json")
    assert json.loads(body) == {"status": "unavailable", "reasons": {"redis": "Redis does not answer"}}


@pytest.mark.parametrize("path", ["/", "/metricsx", "/metrics/", "/../etc/passwd"])
def test_there_is_nothing_else(path: str) -> None:
    with serving() as server:
        assert get(server, path)[0] == 404


def test_a_port_in_use_is_told_in_one_line() -> None:
    with serving() as server, pytest.raises(MetricsPortError) as refused:
        MetricsServer("127.0.0.1", server.port, CollectorRegistry(), well, {})
    assert str(refused.value) == (
        f"port {server.port} on 127.0.0.1 is in use; choose another with --metrics-port"
    )


def test_an_address_of_another_machine_is_told_in_one_line() -> None:
    with pytest.raises(MetricsPortError, match=r"metrics cannot be served on 192\.0\.2\.1:9464"):
        MetricsServer("192.0.2.1", 9464, CollectorRegistry(), well, {})


def test_a_closed_server_gives_its_port_back() -> None:
    with serving() as server:
        port = server.port
    again = MetricsServer("127.0.0.1", port, CollectorRegistry(), well, {})
    again.close()
    assert again.port == port
