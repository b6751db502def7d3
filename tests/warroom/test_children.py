"""Ports for child processes."""

from __future__ import annotations

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


def test_processes_that_ask_at_once_get_different_ports() -> None:
    ask = [
        sys.executable,
        "-c",
        "from warroom.children import free_port as f; print(*(f() for _ in range(20)))",
    ]
    asked = [subprocess.Popen(ask, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = [int(port) for process in asked for port in process.communicate()[0].split()]
    assert len(set(answers)) == 80


def test_ports_lie_below_those_that_the_system_gives_to_clients() -> None:
    clients_from = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert 1024 < free_port() < clients_from
