"""Writes what Redis shows beside merchants' rows: the board, roll-ups, alerts and series.

What waits here is bounded: the newest board, the newest values of each roll-up, what shards tell of alerts,
and the points of watched merchants. On an error it waits on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

import redis

from operators.batches import BoardRows, MerchantRows, SeriesPoint
from operators.redis_alerts import ALERTS_PER_WRITE, PendingAlerts, alert_commands
from operators.redis_board import (
    PendingSeries,
    board_commands,
    ordinary_command,
    series_commands,
    stale_minutes,
)
from operators.redis_held import CatchingUp
from operators.redis_link import Bulk
from operators.redis_rollups import PendingRollups, rollup_commands
from operators.redis_session import RedisSession
from operators.rollup_results import RollupRows
from schemas import redis_layout

ROLLUPS = -1
"""Stands for the roll-ups where shards are numbered."""


class AsideWriter:
    """``lock`` guards what is pending: hold it to add, the ``write`` methods take it themselves."""

    def __init__(
        self, prefix: str, session: RedisSession, wall_ms: Callable[[], int], lock: threading.Condition
    ) -> None:
        self._prefix = prefix
        self._session = session
        self._wall_ms = wall_ms
        self._lock = lock
        self._series = PendingSeries()
        self._alerts = PendingAlerts()
        self._rollups = PendingRollups()
        self._board: BoardRows | None = None
        self._trimmed: set[str] = set()

    def add(self, rows: MerchantRows) -> None:
        """Take the series and alerts that come with merchants' rows."""
        self._series.add(rows.series)
        self._series.ordinary |= rows.ordinary
        if rows.alerts:
            self._alerts.add(rows.shard, rows.alerts)

    def add_board(self, rows: BoardRows) -> None:
        """Take the newest board."""
        self._board = rows
        self._series.add(rows.series)

    def add_rollups(self, rows: RollupRows) -> None:
        """Take roll-ups' newest values."""
        self._rollups.add(rows)

    def write_board(self, catching_up: CatchingUp) -> None:
        """Write the newest board, unless it is behind what Redis shows."""
        with self._lock:
            board = self._board
        if board is None or catching_up.holds_board(board):
            return
        self._session.send(Bulk(board_commands(board, self._prefix, self._wall_ms())))
        self._session.receive()
        with self._lock:
            if self._board is board:
                self._board = None

    def write_rollups(self, catching_up: CatchingUp) -> None:
        """Write the roll-ups that are pending, unless they are behind what Redis shows."""
        while True:
            with self._lock:
                progress = self._rollups.progress
                waiting = len(self._rollups)
            if not waiting or catching_up.held({ROLLUPS: progress}):
                return
            with self._lock:
                progress, rows = self._rollups.progress, self._rollups.take()
            try:
                commands = rollup_commands(rows, progress, self._prefix, self._wall_ms())
                self._session.send(Bulk(commands))
                self._session.receive()
            except redis.RedisError:
                with self._lock:
                    self._rollups.put_back(rows)
                raise

    def write_alerts(self, held: Collection[int]) -> None:
        """Write the alerts that are pending; a shard that is behind what Redis shows waits with its, too."""
        with self._lock:
            taken = self._alerts.take(held)
        if not taken:
            return
        commands = alert_commands(taken, self._prefix)
        try:
            for start in range(0, len(commands), ALERTS_PER_WRITE):
                self._session.send(Bulk(commands[start : start + ALERTS_PER_WRITE]))
                self._session.receive()
        except redis.RedisError:
            with self._lock:
                self._alerts.put_back(taken)
            raise

    def write_series(self) -> bool:
        """Write the points that are pending; False if more have come meanwhile than one write takes."""
        with self._lock:
            points = self._series.take()
            ordinary, self._series.ordinary = self._series.ordinary, {}
            left = len(self._series)
        if not points and not ordinary:
            return True
        try:
            commands = self._trims(points) + series_commands(points, self._prefix)
            commands += [ordinary_command(self._prefix, *day) for day in ordinary.items()]
            self._session.send(Bulk(commands))
            self._session.receive()
        except redis.RedisError:
            with self._lock:
                self._series.put_back(points)
                self._series.ordinary = ordinary | self._series.ordinary
            raise
        return left == 0

    def _trims(self, points: list[SeriesPoint]) -> list[bytes]:
        """What earlier runs have left beyond the bound, of the subjects that are seen first."""
        newest = {p.subject: p.minute_ms for p in points if p.subject not in self._trimmed}
        commands = []
        for subject, minute_ms in newest.items():
            fields = self._session.fields_of(redis_layout.series(self._prefix, subject))
            stale = stale_minutes(subject, minute_ms, fields, self._prefix)
            commands += [] if stale is None else [stale]
            self._trimmed.add(subject)
        return commands
