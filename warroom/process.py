"""What one worker process of the war room is made of: the flow, its metrics and its way to Redis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bytewax.dataflow import Dataflow
from prometheus_client import CollectorRegistry, ProcessCollector

from flows.shards import Place
from flows.war_room import Process, build
from operators.metrics import Metrics
from operators.metrics_server import MetricsServer
from operators.redis_publisher import PublisherSettings, RedisPublisher
from operators.warm import warm
from warroom.beating_clock import BeatingClock
from warroom.post import Post


def prepare(scratch: Path) -> None:
    """Load every compiled function, by use, before a worker is forked; ``scratch``: an empty directory."""
    warm(scratch)


@contextmanager
def war_room(post: Post, clock: BeatingClock) -> Iterator[Dataflow]:
    """The war-room flow of one worker, with its metrics served as long as the context lasts."""
    redis, process = post.flow.redis, post.process
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    metrics = Metrics(registry, process.metrics_top_n)
    metrics.started(post.run.number, post.restarts)
    publisher = RedisPublisher(
        PublisherSettings(
            url=redis.url,
            prefix=redis.prefix,
            publish_interval_ms=redis.publish_interval_ms,
            writer=post.index,
            start_over=post.start_over,
        ),
        post.run,
        on_start=clock.stages.this_thread_publishes,
    )
    metrics.watch_stages(clock.stages.seconds)
    metrics.watch_publisher(publisher.stats)
    ready = {"redis": lambda: None if publisher.stats().up else "not connected"}
    server = MetricsServer(
        process.metrics_host, process.metrics_port + post.index, registry, clock.heartbeat.check, ready
    )
    try:
        yield build(
            post.flow,
            Process(
                place=Place(post.index, len(post.addresses)),
                run_name=f"{post.run.number}-{post.run.run_id}",
                clock=clock,
                metrics=metrics,
                publisher=publisher,
            ),
        )
    finally:
        server.close()
