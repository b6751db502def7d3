"""Two hosts for a test: network namespaces with a cable between them, or two addresses of loopback."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Machine:
    """``address``: where others find it. ``within``: words before a command that make it run there."""

    address: str
    within: tuple[str, ...]


@contextmanager
def two_machines() -> Iterator[tuple[Machine, Machine, str]]:
    """Two machines, and the address under which both of them find the servers of this test.

    Namespaces need root; where they cannot be made, 127.0.0.1 and 127.0.0.2 stand in.
    """
    with contextlib.ExitStack() as stack:
        try:
            made = _namespaces(stack)
        except (OSError, subprocess.CalledProcessError) as error:
            stack.close()
            print(f"no network namespaces here ({error}); two addresses of loopback stand in")
            made = Machine("127.0.0.1", ()), Machine("127.0.0.2", ()), "127.0.0.1"
        yield made


def _namespaces(stack: contextlib.ExitStack) -> tuple[Machine, Machine, str]:
    """A bridge here, and a namespace at the other end of each of its two cables."""
    mark, net = f"{os.getpid() % 100_000:05d}", f"10.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 250}"
    bridge = f"wrb{mark}"
    _ip("link", "add", bridge, "type", "bridge")
    stack.callback(_ip_quietly, "link", "del", bridge)
    _ip("addr", "add", f"{net}.1/24", "dev", bridge)
    _ip("link", "set", bridge, "up")
    machines = []
    for number in (2, 3):
        name, cable = f"warroom-{mark}-{number}", f"wr{mark}{number}"
        _ip("netns", "add", name)
        stack.callback(_ip_quietly, "netns", "del", name)
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", cable, "master", bridge, "up")
        for command in (
            ("addr", "add", f"{net}.{number}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-n", name, *command)
        machines.append(Machine(f"{net}.{number}", ("ip", "netns", "exec", name)))
    return machines[0], machines[1], f"{net}.1"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def _ip_quietly(*words: str) -> None:
    subprocess.run(["ip", *words], check=False, capture_output=True)
