"""A run from its checks (servers, ports, state directory) until the workers have drained."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Final

from warroom.cluster import Job
from warroom.hosts import Membership, on_this_machine
from warroom.preflight import Interrupted, check_ports, check_redis, topic_partitions
from warroom.run_number import RunNumbers
from warroom.settings import Settings
from warroom.standby import Standby
from warroom.state_directory import Layout, StateDirectory
from warroom.supervisor import Supervisor, Wishes

log = logging.getLogger(__name__)

RUN_FILE: Final = "run"


def check_and_run(
    job: Job,
    here: tuple[int, ...],
    machines: Membership | None,
    wishes: Wishes,
    standby: Standby,
    *,
    profile: bool,
) -> None:
    """Run the war room. ``here``: indexes of this machine's workers. Raises ``WarroomError``."""
    try:
        _run(job, here, machines, wishes, standby, profile)
    except Interrupted:
        log.info("stopped before the workers were started")


def _run(
    job: Job,
    here: tuple[int, ...],
    machines: Membership | None,
    wishes: Wishes,
    standby: Standby,
    profile: bool,
) -> None:
    settings, metrics = job.settings, job.settings.metrics
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
        with _profiler(settings, here) if profile else nullcontext():
            Supervisor(
                job,
                wishes,
                lambda: machines or on_this_machine(settings.engine.workers),
                numbers.take,
                standby,
            ).run()


def _profiler(settings: Settings, here: tuple[int, ...]) -> AbstractContextManager[None]:
    # It brings rich along: a run that shows no table starts sooner without.
    from warroom.profile import Profiler

    return Profiler(settings, here)


@contextmanager
def _state(settings: Settings, layout: Layout) -> Iterator[Path | None]:
    """Hold the state directory for the time of the run; the path is where the run's number is kept."""
    if not settings.state.enabled:
        yield None
        return
    with StateDirectory(settings.state.directory.absolute(), layout) as state:
        yield state.directory / RUN_FILE
