"""The command line: exit codes, and one clear line for everything that is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import redis as redis_py

from warroom.children import accepts, free_port
from warroom.services import EmbeddedRedis, Topic, create_topics
from warroom.waiting import wait_until


def warroom(*arguments: str, cwd: Path, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of ``warroom ARGUMENTS``."""
    done = subprocess.run(
        [sys.executable, "-m", "warroom", *arguments],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def refusal(*arguments: str, cwd: Path, environment: dict[str, str] | None = None) -> str:
    """The one line with which ``warroom ARGUMENTS`` refuses, with exit code 2."""
    code, output, complaint = warroom(*arguments, cwd=cwd, environment=environment)
    assert (code, output) == (2, "")
    lines = complaint.splitlines()
    assert len(lines) == 1, complaint
    return lines[0]


def test_config_tells_what_is_in_force_and_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "warroom.toml").write_text('[redis]\nurl = "redis://:s3same@host:1/0"\n')
    code, output, complaint = warroom(
        "config", "--brokers", "k:9092", cwd=tmp_path, environment={"WARROOM_KAFKA__ORDERS": "sales"}
    )
    assert (code, complaint) == (0, "")
    assert re.search(r"brokers +k:9092 +--brokers\n", output)
    assert re.search(r"orders +sales +WARROOM_KAFKA__ORDERS\n", output)
    assert re.search(r"url\s+redis://:\*+@host:1/0\s+from warroom\.toml\n", output)
    assert "s3same" not in output


def test_unknown_key_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "warroom.toml").write_text("[kafka]\nbroker = 1\n")
    assert refusal("run", cwd=tmp_path) == (
        "warroom: warroom.toml: kafka.broker = '1': there is no such setting; did you mean kafka.brokers?"
    )


def test_wrong_flag_value_is_one_line_that_names_the_flag(tmp_path: Path) -> None:
    assert refusal("run", "--workers", "many", cwd=tmp_path) == (
        "warroom: --workers: engine.workers = 'many': must be processes from 1 to 64"
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("fly",), "warroom: No such command 'fly'.; see --help"),
        (("run", "--fly"), "warroom: No such option: --fly; see --help"),
        (("top", "--window", "2h"), "warroom: --window: '2h': must be one of 1m, 5m, 1h, 12h, day, sale"),
        (("report", "--lang", "fr"), "warroom: --lang: 'fr': must be one of zh, en"),
    ],
)
def test_wrong_argument_is_one_line(tmp_path: Path, arguments: tuple[str, ...], line: str) -> None:
    assert refusal(*arguments, cwd=tmp_path) == line


def test_run_with_a_taken_metrics_port_says_which(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refusal("run", "--metrics-port", str(port), cwd=tmp_path)
    assert line == (
        f"warroom: metrics cannot be served on 127.0.0.1:{port}: address already in use; "
        "choose another --metrics-port"
    )


def test_run_with_a_missing_topic_says_which(tmp_path: Path, broker: str) -> None:
    create_topics(broker, (Topic("orders", 1), Topic("clicks", 1), Topic("baselines", 1)))
    line = refusal("run", "--brokers", broker, "--metrics-port", str(free_port()), cwd=tmp_path)
    assert line == (
        f"warroom: Kafka at {broker} has no topic dead-letters; create it or set another in [kafka]"
    )


def test_run_with_a_redis_that_wants_a_password_says_so(tmp_path: Path, broker: str) -> None:
    create_topics(broker)
    with EmbeddedRedis(password="s3same") as server:
        line = refusal(
            *("run", "--brokers", broker, "--redis", f"redis://{server.address}/0"),
            *("--metrics-port", str(free_port())),
            cwd=tmp_path,
        )
    assert line.startswith(f"warroom: Redis at redis://{server.address}/0 wants another user or password;")


def test_report_without_redis_is_one_line(tmp_path: Path) -> None:
    code, output, complaint = warroom("report", "--redis", "redis://127.0.0.1:1/0", cwd=tmp_path)
    assert (code, output) == (1, "")
    assert complaint == "warroom: Redis at redis://127.0.0.1:1/0 does not answer; is it running?\n"


def test_report_as_json_is_for_programs(tmp_path: Path, redis_url: str) -> None:
    client = redis_py.Redis.from_url(redis_url)
    client.hset("warroom:rollup:total:all", mapping={"orders:day": "7", "gmv:day": "12345"})
    client.hset("warroom:meta", "event_time", "1576080000000")
    client.close()
    code, output, complaint = warroom("report", "--json", "--redis", redis_url, cwd=tmp_path)
    assert (code, complaint) == (0, "")
    told = json.loads(output)
    assert (told["orders"], told["gmv_fen"], told["until_ms"]) == (7, 12_345, 1_576_080_000_000)


def test_top_without_a_terminal_prints_the_table_once(tmp_path: Path, redis_url: str) -> None:
    environment = {"WARROOM_METRICS__PORT": str(free_port())}
    code, output, complaint = warroom("top", "--redis", redis_url, cwd=tmp_path, environment=environment)
    assert (code, complaint) == (0, "")
    assert output.startswith(" WARROOM   no events yet  Asia/Shanghai")
    assert "workers 0/1" in output


@pytest.fixture
def services(tmp_path: Path) -> subprocess.Popen[str]:
    """``warroom services --write warroom.toml``, ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "warroom", "services", "--write", "warroom.toml"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert wait_until((tmp_path / "warroom.toml").exists, 20)
    return process


def addresses_in(file: Path) -> list[tuple[str, int]]:
    found = re.findall(r"127\.0\.0\.1:(\d+)", file.read_text())
    return [("127.0.0.1", int(port)) for port in found]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_services_answer_where_their_file_says_and_end_with_their_command(
    tmp_path: Path, services: subprocess.Popen[str], end: signal.Signals
) -> None:
    addresses = addresses_in(tmp_path / "warroom.toml")
    assert len(addresses) == 2
    assert all(accepts(*address) for address in addresses)

    services.send_signal(end)
    services.communicate(timeout=15)

    assert services.returncode == (-9 if end == signal.SIGKILL else 0)
    assert wait_until(lambda: not any(accepts(*address) for address in addresses), 5)


def test_services_do_not_overwrite_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "warroom.toml").write_text("# mine\n")
    code, _, complaint = warroom("services", "--write", "warroom.toml", cwd=tmp_path)
    assert code == 1
    assert complaint == "warroom: --write: warroom.toml exists; remove it or name another file\n"
    assert (tmp_path / "warroom.toml").read_text() == "# mine\n"


def test_how_children_end_is_learnt_also_where_that_was_to_be_ignored(
    tmp_path: Path,
) -> None:
    program = """
import signal, sys
from warroom.__main__ import main
sys.argv = ["warroom", "config"]
try:
    main()
finally:
    print(signal.getsignal(signal.SIGCHLD).name)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    )
    assert done.stdout.splitlines()[-1] == "SIG_DFL", done.stderr
