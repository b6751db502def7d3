"""Which processes make up the cluster, and which of them this machine runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from warroom.children import LOOPBACK, free_port
from warroom.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Membership:
    """Addresses of all worker processes, and the indexes of those that run here."""

    addresses: tuple[str, ...]
    local: tuple[int, ...]

    @property
    def spans_machines(self) -> bool:
        """Whether some workers run under another supervisor."""
        return len(self.local) < len(self.addresses)


def on_this_machine(workers: int) -> Membership:
    """All workers here, on loopback ports that are free now: ask again before each start."""
    ports = [free_port() for _ in range(workers)]
    return Membership(tuple(f"{LOOPBACK}:{port}" for port in ports), tuple(range(workers)))


def of_several_machines(
    hosts: str | None, index: int | None, environment: Mapping[str, str]
) -> Membership | None:
    """Membership from ``--hosts`` and ``--index`` or a StatefulSet's environment; None if neither is given.

    ``hosts``: ``host:port`` of every worker process, separated by commas, the same everywhere. Raises
    ``ConfigurationError`` where one half is missing or the index is not one of the hosts'.
    """
    index, index_from = (index, "--index") if index is not None else _pod_index(environment)
    addresses, hosts_from = (_split(hosts), "--hosts") if hosts is not None else _host_file(environment)
    if index is None and not addresses:
        return None
    if index is None:
        raise ConfigurationError(f"{hosts_from} is given without --index: say which of the hosts this one is")
    if not addresses:
        raise ConfigurationError(f"{index_from} is given without --hosts: name host:port of every worker")
    for address in addresses:
        _check_address(hosts_from, address)
    if not 0 <= index < len(addresses):
        raise ConfigurationError(
            f"{index_from}: {index} is none of the {len(addresses)} hosts; must be 0 to {len(addresses) - 1}"
        )
    return Membership(tuple(addresses), (index,))


def _split(hosts: str) -> list[str]:
    return [part.strip() for part in hosts.replace(";", ",").split(",") if part.strip()]


def _pod_index(environment: Mapping[str, str]) -> tuple[int | None, str]:
    pod, statefulset = environment.get("BYTEWAX_POD_NAME"), environment.get("BYTEWAX_STATEFULSET_NAME")
    if pod is None or statefulset is None:
        return None, ""
    number = pod.removeprefix(statefulset + "-")
    if not number.isdecimal():
        raise ConfigurationError(
            f"BYTEWAX_POD_NAME: {pod!r} is none of {statefulset!r}; must be {statefulset}-0 and so on"
        )
    return int(number), "BYTEWAX_POD_NAME"


def _host_file(environment: Mapping[str, str]) -> tuple[list[str], str]:
    file = environment.get("BYTEWAX_HOSTFILE_PATH")
    if file is None:
        return [], ""
    try:
        return Path(file).read_text().split(), "BYTEWAX_HOSTFILE_PATH"
    except OSError as error:
        raise ConfigurationError(f"BYTEWAX_HOSTFILE_PATH: {file}: cannot be read: {error.strerror}") from None


def _check_address(origin: str, address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ConfigurationError(f"{origin}: {address!r}: must be host:port")
