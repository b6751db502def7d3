"""Which workers make up a cluster: flags, or the environment of a StatefulSet."""

from __future__ import annotations

from pathlib import Path

import pytest

from warroom.errors import ConfigurationError
from warroom.hosts import of_several_machines, on_this_machine

HOSTS = "a:2101,b:2101,c:2101"


def refusal(hosts: str | None, index: int | None, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        of_several_machines(hosts, index, environment or {})
    return str(caught.value)


def test_one_machine_has_every_worker_on_a_port_of_its_own() -> None:
    membership = on_this_machine(3)
    assert membership.local == (0, 1, 2)
    assert len(set(membership.addresses)) == 3
    assert all(address.startswith("127.0.0.1:") for address in membership.addresses)


def test_flags_name_all_workers_and_the_one_of_this_machine() -> None:
    membership = of_several_machines(HOSTS, 1, {})
    assert membership is not None
    assert membership.addresses == ("a:2101", "b:2101", "c:2101")
    assert membership.local == (1,)


def test_stateful_set_names_all_workers_and_the_one_of_this_pod(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("warroom-0.warroom:2101\nwarroom-1.warroom:2101\n\n")
    membership = of_several_machines(
        None,
        None,
        {
            "BYTEWAX_POD_NAME": "warroom-1",
            "BYTEWAX_STATEFULSET_NAME": "warroom",
            "BYTEWAX_HOSTFILE_PATH": str(file),
        },
    )
    assert membership is not None
    assert membership.addresses == ("warroom-0.warroom:2101", "warroom-1.warroom:2101")
    assert membership.local == (1,)


def test_flags_win_over_the_environment() -> None:
    environment = {"BYTEWAX_POD_NAME": "warroom-1", "BYTEWAX_STATEFULSET_NAME": "warroom"}
    membership = of_several_machines(HOSTS, 2, environment)
    assert membership is not None
    assert membership.local == (2,)


def test_without_flags_and_environment_there_is_one_machine() -> None:
    assert of_several_machines(None, None, {}) is None


def test_hosts_without_an_index_are_refused() -> None:
    assert refusal(HOSTS, None) == "--hosts is given without --index: say which of the hosts this one is"


def test_index_without_hosts_is_refused() -> None:
    assert refusal(None, 1) == "--index is given without --hosts: name host:port of every worker"


def test_index_beyond_the_hosts_is_refused() -> None:
    assert refusal(HOSTS, 3) == "--index: 3 is none of the 3 hosts; must be 0 to 2"


@pytest.mark.parametrize("host", ["b", "b:", ":2101", "b:port", "b:0", "b:65536"])
def test_host_without_a_proper_port_is_refused(host: str) -> None:
    assert refusal(f"a:2101,{host}", 0) == f"--hosts: {host!r}: must be host:port"


def test_pod_of_another_stateful_set_is_refused() -> None:
    environment = {"BYTEWAX_POD_NAME": "other-0", "BYTEWAX_STATEFULSET_NAME": "warroom"}
    assert refusal(HOSTS, None, environment) == (
        "BYTEWAX_POD_NAME: 'other-0' is none of 'warroom'; must be warroom-0 and so on"
    )


def test_host_file_that_is_missing_is_refused() -> None:
    assert refusal(None, 0, {"BYTEWAX_HOSTFILE_PATH": "/absent"}) == (
        "BYTEWAX_HOSTFILE_PATH: /absent: cannot be read: No such file or directory"
    )
