"""Ports for child processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from warroom.children import LOOPBACK, free_port, free_ports


def test_a_port_is_never_handed_out_twice() -> None:
    ports = [free_port() for _ in range(100)]
    assert len(set(ports)) == 100


def test_ports_side_by_side_are_all_free_and_not_handed_out_again() -> None:
    first = free_ports(8)
    block = range(first, first + 8)
    servers = [socket.create_server((LOOPBACK, port)) for port in block]
    for server in servers:
        server.close()
    assert free_port() not in block


def test_a_port_that_is_listened_on_is_passed_over() -> None:
    with socket.create_server((LOOPBACK, free_port() + 1)) as server:
        first = free_ports(3)
        assert server.getsockname()[1] not in range(first, first + 3)


def test_processes_that_live_at_once_get_different_ports() -> None:
    processes = [asking_for(20) for _ in range(4)]
    answers = [port for process in processes for port in ports_of(process)]
    for process in processes:
        process.communicate("and now end")
    assert len(set(answers)) == 80


def test_a_port_stays_with_who_asked_until_its_server_starts() -> None:
    """The other process looks where this one does, and passes over what this one has not used yet."""
    first = free_ports(3)
    another = asking_for(120, pretending=f"os.getpid = lambda: {os.getpid()}")
    given = ports_of(another)
    another.communicate("and now end")
    assert min(given) < first + 40
    assert not set(given) & {first, first + 1, first + 2}
    with socket.create_server((LOOPBACK, first)) as server:
        assert server.getsockname()[1] == first


def test_a_port_can_be_listened_on_again_and_again() -> None:
    port = free_port()
    for _ in range(3):
        with (
            socket.create_server((LOOPBACK, port)) as server,
            socket.create_connection((LOOPBACK, port)) as client,
        ):
            server.accept()[0].close()
            assert client.recv(1) == b""


def test_ports_held_for_servers_do_not_add_up() -> None:
    open_files = Path("/proc/self/fd")
    for _ in range(300):
        free_port()
    before = len(list(open_files.iterdir()))
    for _ in range(300):
        free_port()
    assert len(list(open_files.iterdir())) <= before


def test_ports_lie_below_those_that_the_system_gives_to_clients() -> None:
    clients_from = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert 1024 < free_port() < clients_from


def asking_for(count: int, pretending: str = "") -> subprocess.Popen[str]:
    """A process that asks for so many ports, tells them, and lives until it is told something."""
    code = (
        f"import os; {pretending}\nfrom warroom.children import free_port\n"
        f"print(*(free_port() for _ in range({count})), flush=True); input()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def ports_of(process: subprocess.Popen[str]) -> list[int]:
    """What it tells."""
    assert process.stdout is not None
    return [int(port) for port in process.stdout.readline().split()]
