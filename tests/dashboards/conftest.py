"""One night for all tests of dashboards and alerts: starting everything costs more than asking."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import orjson
import pytest
from confluent_kafka import Producer

from dashboards.prometheus.routes import Patience, Receivers, alertmanager_file
from tests.dashboards.live import Night, scenario
from tests.dashboards.servers import AlertmanagerServer, Receiver
from warroom.waiting import wait_until

STAR = "waipojia"
SPIKE = [8.0, 8.0, *[0.5] * 22]
"""The star's hours in ordinary days' sales: its last hour passes five and falls below again."""
SCENARIO_SECONDS_A_SECOND = 200.0
"""Slow enough for a busy machine: orders and clicks, which come apart, stay within one minute of the scenario
(0.3 s), and the load still runs when all that should has been seen."""
STAR_FIRES = f'ALERTS{{alertstate="firing",merchant="{STAR}",window="1h"}}'
MANY_CHANNELS = 'count(count by (value) (warroom_rollup{dimension="channel"})) > 5'
THE_NIGHT = pytest.mark.xdist_group("the night")
"""On tests that ask for ``proof``: all in one process, so that the night is played once."""
PROMPT = Patience(gather_s=0, more_s=1, again_s=3600)


@dataclass
class Proof:
    """The night at the moment when everything ran, and what it had come to in the end."""

    night: Night
    phone: Receiver
    """Who is told."""
    moments_s: list[float]
    """Wall clock, second by second, from when load, probes and war room were all running."""
    ended_s: float
    """Wall clock when all was counted and the numbers were being compared with the oracle's."""
    exported: list[str]
    """What each process exported."""
    differences: int
    """How many fields ``loadgen verify`` named."""

    def series(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """The series of an expression at the first moment of the night, or at its end, at which it has any.

        Not every moment will do: orders and clicks come by topics of their own, and while one of them is
        ahead the last minute of the other is empty.
        """
        ask = self.night.prometheus.instant
        found = (ask(expr, moment_s) for moment_s in (*self.moments_s, self.ended_s))
        return next((series for series in found if series), [])


@pytest.fixture(scope="package")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proof]:
    """A worker killed, a star, probes, too many channels; in the end all is counted and quiet."""
    made = scenario(3, 2.7, SPIKE)
    with Receiver() as phone:
        routes = alertmanager_file(Receivers(phone.url("/war-room"), phone.url("/on-call")), PROMPT)
        with (
            AlertmanagerServer(routes) as alertmanager,
            Night(
                tmp_path_factory.mktemp("night"), made, SCENARIO_SECONDS_A_SECOND, [alertmanager.address]
            ) as night,
        ):
            moments_s, exported = play(night)
            ended_s, last, differences = end(night)
            yield Proof(night, phone, moments_s, ended_s, exported + last, differences)


def play(night: Night) -> tuple[list[float], list[str]]:
    """Play the night until it is quiet; the moments when everything ran, and what was exported then."""
    night.kill_a_worker()
    load = night.start_load()
    probe = night.start_probe()
    night.wait("the scenario's channels have their rows", MANY_CHANNELS)
    send_channels(night.broker.address, 220)
    night.wait("the load has passed the clock", "max(warroom_watermark_delay_seconds) < 0")
    began_s = night.wait("probes are seen", "sum(loadgen_probe_latency_seconds_count) > 10")
    night.scraped_after(began_s)
    assert load.poll() is None, "the load ended before everything ran"
    exported = night.exported(night.load_port, night.probe_port)
    night.wait("the star fires", STAR_FIRES)
    exported += night.exported(*night.worker_ports)
    assert wait_until(lambda: load.poll() is not None, 60)
    moments_s = np.arange(began_s, time.time(), 1.0).tolist()
    probe.send_signal(signal.SIGINT)
    assert wait_until(lambda: probe.poll() is not None, 20)
    night.settle()
    return moments_s, exported


def end(night: Night) -> tuple[float, list[str], int]:
    """Compare the results with the oracle's, of which probes and many channels differ."""
    differences = night.verify()
    night.wait("differences are told", "loadgen_verify_differences > 0")
    night.scraped_after(time.time())
    return time.time(), night.exported(night.verify_port), differences


def send_channels(brokers: str, count: int) -> None:
    """An order each from so many channels, so that some find no row of their own."""
    producer = Producer({"bootstrap.servers": brokers, "log_level": 0})
    for number in range(count):
        order = {
            "order_id": f"channel-{number}",
            "merchant_id": "m0000001",
            "member_id": "u",
            "amount": 100,
            "status": "paid",
            "event_time": int(time.time() * 1000),
            "channel": f"kiosk-{number:03d}",
        }
        producer.produce("orders", orjson.dumps(order))
    assert producer.flush(10) == 0
