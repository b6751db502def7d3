"""Workers of one machine meet without a pause.

Each worker connects to those with a lesser index, and the library under Bytewax (timely) sleeps for a whole
second where one of them does not listen yet. To try a connection would count as one, so the kernel is asked
who listens.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from warroom.children import LOOPBACK
from warroom.waiting import wait_until

_TABLE: Final = Path("/proc/net/tcp")
_LISTEN: Final = "0A"


def wait_for_listeners(addresses: Iterable[str], timeout_seconds: float) -> bool:
    """Wait until something listens at all ``addresses`` (``host:port``) of loopback, not at any other.

    False if not within ``timeout_seconds``, or where the system does not tell.
    """
    wanted = {_as_in_table(address) for address in addresses if address.startswith(f"{LOOPBACK}:")}
    try:
        return wait_until(lambda: wanted <= _listening(), timeout_seconds)
    except OSError:
        return False


def _as_in_table(address: str) -> str:
    host, _, port = address.rpartition(":")
    (number,) = struct.unpack("=I", IPv4Address(host).packed)
    return f"{number:08X}:{int(port):04X}"


def _listening() -> set[str]:
    rows = [line.split() for line in _TABLE.read_text().splitlines()[1:]]
    return {row[1] for row in rows if row[3] == _LISTEN}
