"""``warroom run``: check what can be checked, then keep the workers running until they have drained."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final

from warroom.cluster import Job
from warroom.hosts import Membership, of_several_machines, on_this_machine
from warroom.preflight import Interrupted, check_ports, check_redis, topic_partitions
from warroom.profile import Profiler
from warroom.run_number import RunNumbers
from warroom.settings import Settings
from warroom.state_directory import Layout, StateDirectory
from warroom.supervisor import Supervisor, Wishes, heard_wishes

log = logging.getLogger(__name__)

RUN_FILE: Final = "run"


def run(
    settings: Settings,
    environment: Mapping[str, str],
    *,
    bounded: bool = False,
    start_over: bool = False,
    hosts: str | None = None,
    index: int | None = None,
    profile: bool = False,
) -> None:
    """Run the war room. Raises ``WarroomError``."""
    machines = of_several_machines(hosts, index, environment)
    with heard_wishes() as wishes:
        try:
            _run(Job(settings, bounded, start_over), machines, wishes, profile)
        except Interrupted:
            log.info("stopped before the workers were started")


def _run(job: Job, machines: Membership | None, wishes: Wishes, profile: bool) -> None:
    settings, metrics = job.settings, job.settings.metrics
    here = machines.local if machines else range(settings.engine.workers)
    check_ports(metrics.host, metrics.port + here[0], len(here))
    cluster_id, partitions = topic_partitions(settings.kafka, lambda: wishes.stopping)
    check_redis(settings.redis, lambda: wishes.stopping)
    layout = Layout(cluster_id, partitions, settings.state.partitions)
    with _state(settings, layout) as memory:
        numbers = RunNumbers(settings.redis, lambda: wishes.stopping, memory, machines)
        log.info(
            "%d workers, metrics on http://%s:%d/metrics%s",
            len(here),
            metrics.host,
            metrics.port + here[0],
            " and the ports after it" if len(here) > 1 else "",
        )
        with Profiler(settings, here) if profile else nullcontext():
            Supervisor(
                job,
                wishes,
                lambda: machines or on_this_machine(settings.engine.workers),
                numbers.take,
            ).run()


@contextmanager
def _state(settings: Settings, layout: Layout) -> Iterator[Path | None]:
    """Hold the state directory for the time of the run; the path is where the run's number is kept."""
    if not settings.state.enabled:
        yield None
        return
    with StateDirectory(settings.state.directory.absolute(), layout) as state:
        yield state.directory / RUN_FILE
