"""Publishes results to Redis from a thread of its own; the dataflow only hands rows over.

Guarantee: at least once, with absolute values, newest last. While Redis is away the latest values of each
merchant wait here; nothing else piles up. A run that has been replaced writes nothing more.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import redis

from operators.batches import NO_EVENT_MS, BoardRows, MerchantRows
from operators.redis_alerts import forget_active
from operators.redis_aside import ROLLUPS, AsideWriter
from operators.redis_errors import RedisSinkError, refusal
from operators.redis_held import CatchingUp
from operators.redis_link import Bulk
from operators.redis_pending import PendingMerchants
from operators.redis_run import Run
from operators.redis_scripts import META_EVENT_TIME, META_WATERMARK
from operators.redis_session import RedisSession
from operators.redis_stats import PublisherStats
from operators.redis_trouble import Trouble
from operators.redis_writer import MerchantWriter
from operators.rollup_results import RollupRows
from schemas import redis_layout

log = logging.getLogger("warroom.redis")

GATHER_S = 0.02
"""Wait after the first offer, so that shards that publish together share transactions."""
FIRST_BACKOFF_S = 0.05
LONGEST_BACKOFF_S = 2.0
ROWS_PER_TAKE = 8_192
"""Merchants that are chosen at once; then there may be better ones."""
AWAY_LIMIT_S = 2.0
"""Wait at the end for a Redis that is away: the next run writes everything again."""
PROBE_S = 1.0
"""Without anything to write, the connection and the fence are looked at this often."""


@dataclass(frozen=True, slots=True)
class PublisherSettings:
    """Where and how to publish. ``writer``: index of this process in its run."""

    url: str
    prefix: str = redis_layout.DEFAULT_PREFIX
    publish_interval_ms: int = 200
    writer: int = 0
    timeout_s: float = 5.0
    """Longest wait for an answer before the connection is given up."""
    start_over: bool = False
    """Write at once, also where Redis shows more than this run has: its topics are others."""


class RedisPublisher:
    """One connection and one thread that write what is offered. Offers never wait for Redis.

    ``wall_ms``: the wall clock, for ``updated_at`` and latencies only. ``on_start``: called by the thread,
    once.
    """

    def __init__(
        self,
        settings: PublisherSettings,
        run: Run,
        *,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        on_start: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._prefix = settings.prefix
        self._wall_ms = wall_ms
        self._on_start = on_start
        self._session = RedisSession(settings.url, settings.prefix, run, settings.writer, settings.timeout_s)
        self._stats = PublisherStats()
        self._writer = MerchantWriter(settings.prefix, self._session, self._stats, wall_ms)
        self._pending = PendingMerchants(time.monotonic)
        self._catching_up = CatchingUp(self._read_progress)
        self._rollups_catch_up = CatchingUp(lambda _: self._read_rollup_progress())
        self._held: dict[int, dict[str, tuple[int, int]]] = {}
        self._trouble = Trouble(self._session.address)
        self._ever_open = False
        self._changed = threading.Condition()
        self._aside = AsideWriter(settings.prefix, self._session, wall_ms, self._changed)
        # Numbers of offers: so many have come, so many have been dealt with.
        self._offered = 0
        self._taken = 0
        self._hurry = False
        self._stopping = False
        self._fatal: RedisSinkError | None = None
        self._seen: set[int] = set()
        self._everything: set[int] = set()
        self._thread: threading.Thread | None = None

    # What the dataflow calls.

    def start(self) -> None:
        """Connect and begin, once. Redis away is no error; raises ``RedisRefusedError``, ``FencedError``."""
        if self._thread is not None:
            return
        try:
            self._open()
        except redis.RedisError as error:
            self._failed(error)
        self._thread = threading.Thread(target=self._work, name="redis-publisher", daemon=True)
        self._thread.start()

    def offer(self, rows: MerchantRows) -> None:
        """Take merchants' newest values. Raises what has stopped the publisher, if anything has."""
        self.check()
        self._pending.offer(rows)
        with self._changed:
            self._seen.add(rows.shard)
            self._aside.add(rows)
            self._note_offer()

    def offer_board(self, rows: BoardRows) -> None:
        """Take the newest board. Raises what has stopped the publisher, if anything has."""
        self.check()
        with self._changed:
            self._aside.add_board(rows)
            self._note_offer()

    def offer_rollups(self, rows: RollupRows) -> None:
        """Take roll-ups' newest values. Raises what has stopped the publisher, if anything has."""
        self.check()
        with self._changed:
            self._seen.add(ROLLUPS)
            self._aside.add_rollups(rows)
            self._note_offer()

    @property
    def is_connected(self) -> bool:
        """Whether Redis can be reached as far as is known."""
        return self._session.is_open

    def check(self) -> None:
        """Raise ``FencedError`` or ``RedisRefusedError`` if that has stopped the publisher."""
        if self._fatal is not None:
            raise self._fatal

    def needs_everything(self, shard: int) -> bool:
        """Whether all merchants of the shard have to be offered again; asking clears it."""
        with self._changed:
            if shard not in self._everything:
                return False
            self._everything.discard(shard)
            return True

    def mark_everything(self, shard: int) -> None:
        """Have ``needs_everything`` say so once: what was pending in the process before is unknown."""
        with self._changed:
            self._everything.add(shard)

    def flush(self, limit_s: float, away_limit_s: float | None = None) -> bool:
        """Wait until all that was offered is written, but for what is held; False if it took too long.

        ``away_limit_s``: how long to wait, at most ``limit_s``, for a Redis that cannot be reached.
        """
        patience_s = limit_s if away_limit_s is None else min(limit_s, away_limit_s)
        with self._changed:
            target = self._offered
            self._hurry = True
            self._changed.notify_all()
            done = self._changed.wait_for(
                lambda: self._taken >= target or self._fatal is not None, patience_s
            )
            if not done and self._session.is_open and patience_s < limit_s:
                done = self._changed.wait_for(
                    lambda: self._taken >= target or self._fatal is not None, limit_s - patience_s
                )
            self._hurry = False
        self.check()
        return done

    def close(self, limit_s: float = 6.0) -> bool:
        """Flush, stop the thread, drop the connection; False if something is not written."""
        if self._thread is None:
            return True
        written = self.flush(limit_s, AWAY_LIMIT_S)
        self.abandon()
        left = len(self._pending)
        if left:
            log.error("%d merchants are not written to Redis at %s", left, self._session.address)
        return written and left == 0

    def abandon(self) -> None:
        """Stop without writing what is pending."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            # A thread that still waits for an answer ends with the process.
            self._thread.join(1.0)

    def stats(self) -> PublisherStats:
        """How publishing stands now."""
        stats = self._stats
        oldest_s = self._pending.oldest_s()
        held = self._held
        return replace(
            stats,
            up=self._session.is_open,
            backlog_merchants=len(self._pending),
            backlog_age_s=0.0 if oldest_s is None else max(0.0, time.monotonic() - oldest_s),
            held_shards=len(held),
            latency=stats.latency.copy(),
        )

    # What the thread does.

    def _note_offer(self) -> None:
        self._offered += 1
        self._changed.notify_all()

    def _work(self) -> None:
        self._on_start()
        backoff_s = FIRST_BACKOFF_S
        while not self._stopping:
            try:
                self._step()
                backoff_s = FIRST_BACKOFF_S
            except redis.RedisError as error:
                self._failed(error)
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, backoff_s)
                backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)
            except RedisSinkError as error:
                self._stop_for(error)
            except Exception as error:  # a fault of ours must stop the worker, not just this thread
                log.exception("publishing to Redis failed")
                self._stop_for(RedisSinkError(f"publishing to Redis failed: {error!r}"))
        self._session.close()

    def _step(self) -> None:
        if not self._session.is_open:
            self._open()
        if self._wait_for_work():
            self._pass()
        else:
            self._session.probe()
        self._trouble.ended()

    def _stop_for(self, error: RedisSinkError) -> None:
        log.error("%s", error)
        self._session.close()
        with self._changed:
            self._fatal = error
            self._stopping = True
            self._changed.notify_all()

    def _failed(self, error: redis.RedisError) -> None:
        self._session.close()
        self._stats.failures += 1
        self._trouble.failed(error, len(self._pending))

    def _open(self) -> None:
        try:
            self._session.open()
            if not self._ever_open and not self._settings.start_over:
                self._read_board()
        except redis.RedisError as error:
            refused = None if self._ever_open else refusal(self._session.address, error)
            if refused is not None:
                raise refused from None
            raise
        if not self._ever_open and self._settings.start_over:
            self._session.send(Bulk([forget_active(self._prefix)]))
            self._session.receive()
        self._ever_open = True
        if self._session.lost:
            self._session.lost = False
            self._recover_from_loss()

    def _read_board(self) -> None:
        meta = self._session.hash_of(redis_layout.meta(self._prefix))
        if META_EVENT_TIME in meta:
            # Until every partition has been heard there is no watermark, and results are shown already.
            watermark_ms = int(meta.get(META_WATERMARK, NO_EVENT_MS))
            self._catching_up.board_shows(watermark_ms, int(meta[META_EVENT_TIME]))

    def _read_progress(self, shard: int) -> dict[str, int]:
        if self._settings.start_over:
            return {}
        shown = self._session.hash_of(redis_layout.shard_progress(self._prefix, shard))
        return {source: int(offset) for source, offset in shown.items()}

    def _read_rollup_progress(self) -> dict[str, int]:
        if self._settings.start_over:
            return {}
        shown = self._session.hash_of(redis_layout.rollup_progress(self._prefix))
        return {source: int(offset) for source, offset in shown.items()}

    def _recover_from_loss(self) -> None:
        log.warning("Redis at %s has lost what was written; writing all of it again", self._session.address)
        self._stats.losses += 1
        self._catching_up.forget()
        self._rollups_catch_up.forget()
        self._writer.forget()
        self._pending.mark_complete()
        with self._changed:
            self._everything |= self._seen

    def _wait_for_work(self) -> bool:
        """Wait for an offer, a little longer for its neighbours; False if none came for a while."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._stopping or self._taken < self._offered, PROBE_S):
                return False
            self._changed.wait_for(lambda: self._stopping or self._hurry, GATHER_S)
            return True

    def _pass(self) -> None:
        """Write everything that is pending, the board first."""
        with self._changed:
            target = self._offered
        self._held = self._catching_up.held(self._pending.progress())
        self._trouble.held(self._held)
        self._aside.write_board(self._catching_up)
        self._aside.write_rollups(self._rollups_catch_up)
        self._aside.write_alerts(self._held)
        if self._write_merchants(target) and self._aside.write_series():
            with self._changed:
                self._taken = target
                self._changed.notify_all()

    def _write_merchants(self, target: int) -> bool:
        """Write all that waits; False if the interval is over before and there is news to look at."""
        until_s = time.monotonic() + self._settings.publish_interval_ms / 1000.0
        while (taken := self._pending.take(ROWS_PER_TAKE, self._held)) is not None:
            self._writer.write(taken, self._pending.progress(), self._pending)
            if self._offered != target and time.monotonic() > until_s:
                return False
        return True
