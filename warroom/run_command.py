"""``warroom run``: what it works with, before it checks what can be checked and starts its workers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

from warroom.cluster import Job
from warroom.hosts import of_several_machines
from warroom.settings import Settings
from warroom.standby import Standby
from warroom.supervisor import heard_wishes


def run(
    settings: Settings,
    environment: Mapping[str, str],
    standby: Standby | None = None,
    *,
    bounded: bool = False,
    start_over: bool = False,
    hosts: str | None = None,
    index: int | None = None,
    profile: bool = False,
) -> None:
    """Run the war room. Raises ``WarroomError``."""
    machines = of_several_machines(hosts, index, environment)
    here = machines.local if machines else tuple(range(settings.engine.workers))
    job = Job(settings, bounded, start_over)
    with heard_wishes() as wishes, closing(standby or Standby(job.flow)) as standby:
        # The clients of Kafka and Redis take a while to import: not before settings are known to be good.
        from warroom.checked_run import check_and_run

        check_and_run(job, here, machines, wishes, standby, profile=profile)
