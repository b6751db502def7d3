"""How the lanes of a process are made: what they share and where their state is."""

from __future__ import annotations

from typing import Any

import numpy as np

from flows.options import EngineOptions
from operators.baseline_lane import BaselineLane
from operators.batches import LaneOutput
from operators.bytes_kernels import Interner
from operators.click_scan import SOURCES
from operators.click_tally import ClickTally
from operators.decode import C, ClickDecoder, EventDecoder, OrderDecoder
from operators.dedup import Dedup, DedupBudget
from operators.dedup_store import DedupStore
from operators.dimensions import Dimensions
from operators.event_lane import EventLane
from operators.metrics import Metrics
from operators.order_tally import OrderTally
from operators.process_clock import ProcessClock
from operators.stock_lane import StockLane
from operators.tally import Tally

CLICKS_SHARE = 0.75
"""Most of the memory for duplicates that clicks may take: however many come, orders keep the rest."""


class EventLanes:
    """Makes the lanes of events; those of orders and clicks share names and memory for duplicates.

    ``all_items``: stock is told in a topic of its own, so all orders that name an item matter to it.
    """

    def __init__(
        self, engine: EngineOptions, clock: ProcessClock, metrics: Metrics, run_name: str, *, all_items: bool
    ) -> None:
        self._all_items = all_items
        self._engine = engine
        self._clock = clock
        self._metrics = metrics
        self._run_name = run_name
        self._merchants = Interner()
        self._dimensions = Dimensions()
        self._budget = DedupBudget(engine.dedup_memory_bytes)
        self._clicks_budget = DedupBudget(int(CLICKS_SHARE * engine.dedup_memory_bytes), self._budget)
        self._click_tallies: list[ClickTally] = []

    def orders(self, topic: str, partition: int, resume: Any) -> EventLane[Any]:  # noqa: ANN401 - as it was pickled
        """The lane of one partition of orders, as its last snapshot left it."""
        decoder = OrderDecoder(self._merchants, self._dimensions)
        tally = OrderTally(self._merchants, self._dimensions, all_items=self._all_items)
        return self._lane(topic, partition, resume, decoder, tally, self._budget)

    def clicks(self, topic: str, partition: int, resume: Any) -> EventLane[Any]:  # noqa: ANN401
        """The lane of one partition of clicks, as its last snapshot left it."""
        decoder = ClickDecoder(self._merchants, self._dimensions)
        tally = ClickTally(self._merchants, self._dimensions)
        self._click_tallies.append(tally)
        return self._lane(topic, partition, resume, decoder, tally, self._clicks_budget)

    def stock(self, topic: str, partition: int, resume: Any) -> StockLane:  # noqa: ANN401
        """The lane of one partition of stock."""
        del resume
        return StockLane(topic, partition)

    def _lane(
        self,
        topic: str,
        partition: int,
        resume: Any,  # noqa: ANN401
        decoder: EventDecoder[C],
        tally: Tally[C],
        budget: DedupBudget,
    ) -> EventLane[C]:
        engine = self._engine
        store = None
        if engine.state_dir is not None:
            store = DedupStore(engine.state_dir / "dedup" / f"{topic}-{partition}", self._run_name)
        lane = EventLane(
            topic,
            partition,
            decoder,
            Dedup(engine.dedup_horizon_ms, budget),
            tally,
            store,
            self._clock,
            engine.lateness_ms,
            engine.sale_opens_ms,
        )
        if resume is not None:
            lane.resume(resume)
        return lane

    def count(self, topic: str, output: LaneOutput) -> None:
        """Tell the metrics what a batch of a topic's events became."""
        self._metrics.took(topic, output)
        if self._click_tallies:
            views = sum(tally.sources for tally in self._click_tallies)
            self._metrics.click_sources(dict(zip(SOURCES, np.asarray(views).tolist(), strict=True)))
        budget = self._budget
        self._metrics.dedup(budget.ids, budget.used_bytes, self._engine.dedup_horizon_ms, budget.shrunk_total)


class BaselineLanes:
    """Makes the lane of each partition of baselines."""

    def __call__(self, topic: str, partition: int, resume: Any) -> BaselineLane:  # noqa: ANN401
        """The lane of one partition."""
        return BaselineLane(topic, partition, resume or 0)
