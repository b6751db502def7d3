"""How the lanes of a process are made: what they share and where their state is."""

from __future__ import annotations

from typing import Any

from flows.options import EngineOptions
from operators.baseline_lane import BaselineLane
from operators.batches import LaneOutput
from operators.bytes_kernels import Interner
from operators.decode import OrderDecoder
from operators.dedup import Dedup, DedupBudget
from operators.dedup_store import DedupStore
from operators.metrics import Metrics
from operators.order_lane import OrderLane
from operators.process_clock import ProcessClock
from operators.tally import Tally


class OrderLanes:
    """Makes the lane of each partition of orders; they share merchant rows and memory for duplicates."""

    def __init__(self, engine: EngineOptions, clock: ProcessClock, metrics: Metrics, run_name: str) -> None:
        self._engine = engine
        self._clock = clock
        self._metrics = metrics
        self._run_name = run_name
        self._merchants = Interner()
        self._budget = DedupBudget(engine.dedup_memory_bytes)

    def __call__(self, topic: str, partition: int, resume: Any) -> OrderLane:  # noqa: ANN401 - as it was pickled
        """The lane of one partition, as its last snapshot left it."""
        engine = self._engine
        store = None
        if engine.state_dir is not None:
            store = DedupStore(engine.state_dir / "dedup" / f"{topic}-{partition}", self._run_name)
        lane = OrderLane(
            topic,
            partition,
            OrderDecoder(self._merchants),
            Dedup(engine.dedup_horizon_ms, self._budget),
            Tally(self._merchants),
            store,
            self._clock,
            engine.lateness_ms,
            engine.sale_opens_ms,
        )
        if resume is not None:
            lane.resume(resume)
        return lane

    def count(self, step_id: str, output: LaneOutput) -> None:
        """Tell the metrics what a batch of orders became."""
        del step_id
        self._metrics.took("orders", output)
        budget = self._budget
        self._metrics.dedup(budget.ids, budget.used_bytes, self._engine.dedup_horizon_ms, budget.shrunk_total)


class BaselineLanes:
    """Makes the lane of each partition of baselines."""

    def __call__(self, topic: str, partition: int, resume: Any) -> BaselineLane:  # noqa: ANN401
        """The lane of one partition."""
        return BaselineLane(topic, partition, resume or 0)
