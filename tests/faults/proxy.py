"""A TCP proxy that can be cut, silenced, slowed and throttled while connections live."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Self

BLOCK_BYTES = 65_536


class Proxy:
    """Passes connections to ``127.0.0.1:target_port``; the port it listens on never changes."""

    def __init__(self, target_port: int = 0, host: str = "127.0.0.1") -> None:
        self.target_port = target_port
        self.host = host
        self._listener = socket.create_server((host, 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs: set[socket.socket] = set()
        self._refusing = False
        self._open = threading.Event()
        self._open.set()
        self.delay_s = 0.0
        self.answer_delay_s = 0.0
        self.bytes_a_second: float | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        """``host:port`` for clients."""
        return f"{self.host}:{self.port}"

    def cut(self) -> None:
        """Reset every connection and take none until ``mend``."""
        with self._lock:
            self._refusing = True
            for end in self._pairs:
                _close(end)
            self._pairs.clear()

    def silence(self) -> None:
        """Pass nothing any more, without a word to either side, until ``mend``."""
        self._open.clear()

    def mend(self) -> None:
        """Pass everything again, at once."""
        self.delay_s = 0.0
        self.answer_delay_s = 0.0
        self.bytes_a_second = None
        self._refusing = False
        self._open.set()

    def close(self) -> None:
        """End everything."""
        self.cut()
        self._open.set()
        _close(self._listener)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self._refusing:
                    raise ConnectionRefusedError
                server = socket.create_connection(("127.0.0.1", self.target_port), timeout=5)
                server.settimeout(None)
            except OSError:
                _close(client)
                continue
            with self._lock:
                self._pairs |= {client, server}
            for source, sink, answers in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pass, args=(source, sink, answers), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        try:
            while block := source.recv(BLOCK_BYTES):
                self._open.wait()
                if delay_s := self.delay_s + (self.answer_delay_s if answers else 0.0):
                    time.sleep(delay_s)
                if self.bytes_a_second:
                    time.sleep(len(block) / self.bytes_a_second)
                sink.sendall(block)
        except OSError:
            pass
        for end in (source, sink):
            _close(end)
        with self._lock:
            self._pairs -= {source, sink}


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
