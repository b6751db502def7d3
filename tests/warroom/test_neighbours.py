"""Workers wait for each other to listen, not for a second."""

from __future__ import annotations

import socket
import threading

from warroom.children import LOOPBACK, free_port
from warroom.neighbours import wait_for_listeners


def test_whoever_listens_is_found_without_a_connection() -> None:
    with socket.create_server((LOOPBACK, free_port())) as server:
        assert wait_for_listeners([f"{LOOPBACK}:{server.getsockname()[1]}"], 0)
        server.setblocking(False)
        try:
            server.accept()
        except BlockingIOError:
            return
    raise AssertionError("a connection was made")


def test_a_listener_that_comes_late_is_waited_for() -> None:
    port = free_port()
    heard: list[bool] = []
    waiting = threading.Thread(target=lambda: heard.append(wait_for_listeners([f"{LOOPBACK}:{port}"], 30)))
    waiting.start()
    with socket.create_server((LOOPBACK, port)):
        waiting.join()
    assert heard == [True]


def test_nobody_there_ends_the_wait() -> None:
    assert not wait_for_listeners([f"{LOOPBACK}:{free_port()}"], 0)


def test_other_machines_are_not_waited_for() -> None:
    assert wait_for_listeners(["10.255.255.1:9", "some-host:9"], 0)
