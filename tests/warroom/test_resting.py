"""Bytewax's main thread rests while a flow runs, and its worker thread keeps its interpreter state."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

FLOW = """
import json, os, resource, signal, sys, threading, time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
import bytewax.operators as op
from bytewax._bytewax import cluster_main
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.testing import TestingSink
from operators.thread_state import keep_thread_state
from warroom.resting import main_thread_rests

TURNS = 100
local, kept, heard = threading.local(), [], []

class Part(StatelessSourcePartition):
    turns = 0
    def next_batch(self):
        if self.turns == 0 and "keep" in sys.argv:
            keep_thread_state()
        kept.append(hasattr(local, "mark"))
        local.mark = True
        self.turns += 1
        if self.turns == TURNS // 2:
            os.kill(os.getpid(), signal.SIGUSR1)
        if self.turns == TURNS:
            raise StopIteration
        return []
    def next_awake(self):
        return datetime.now(UTC) + timedelta(milliseconds=10)

class Source(DynamicSource):
    def build(self, step_id, index, count):
        return Part()

signal.signal(signal.SIGUSR1, lambda *_: heard.append(len(kept)))
flow = Dataflow("turns")
op.output("out", op.input("in", flow, Source()), TestingSink([]))
before, began = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw, time.monotonic()
with main_thread_rests() if "rest" in sys.argv else nullcontext():
    cluster_main(flow, [], 0)
seconds = time.monotonic() - began
waits = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before
print(json.dumps({"waits_a_second": waits / seconds, "kept": kept[1:], "heard": heard}))
"""


# A debugger that holds the main thread keeps signals from it; so does a mask.
HELD = """
import ctypes, signal, threading
from warroom.resting import REST_SECONDS, main_thread_rests

MILLISECONDS = int(REST_SECONDS * 1000)
libc, waits, held = ctypes.CDLL(None), [], threading.Event()

def wait():
    held.wait()
    waits.append(libc.poll(None, 0, 5 * MILLISECONDS))

other = threading.Thread(target=wait)
other.start()
with main_thread_rests():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    held.set()
    other.join()
    asked = signal.SIGALRM in signal.sigpending()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
print(f'{{"asked": {int(asked)}, "waits": {waits}}}')
"""


def run(*how: str, program: str = FLOW) -> dict[str, Any]:
    command = [sys.executable, "-c", program, *how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture(scope="module")
def ran() -> dict[str, Any]:
    return run("keep", "rest")


def test_the_worker_thread_keeps_its_interpreter_state_from_call_to_call(ran: dict[str, Any]) -> None:
    assert len(ran["kept"]) == 99
    assert all(ran["kept"])
    assert not any(run()["kept"])  # what it is for: Bytewax alone makes a new one for each call


def test_the_main_thread_wakes_a_few_times_a_second_instead_of_a_thousand(ran: dict[str, Any]) -> None:
    assert ran["waits_a_second"] < 250


def test_a_signal_is_heard_while_the_main_thread_rests(ran: dict[str, Any]) -> None:
    (turn,) = ran["heard"]
    assert 50 <= turn < 99  # before the flow ends


def test_no_other_thread_is_interrupted_while_the_main_thread_takes_no_signals() -> None:
    assert run(program=HELD) == {"asked": 1, "waits": [0]}  # -1: interrupted
