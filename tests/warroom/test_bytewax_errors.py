"""What a step raises is told before Bytewax hears of it: Bytewax may abort the process on the way out."""

from __future__ import annotations

import subprocess
import sys

import pytest

FLOW = '''
import sys

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from bytewax.testing import run_main

from warroom.bytewax_errors import cause_of, note_errors

where = sys.argv[1]


def at(place):
    """A fault in one step, and what it does to the steps behind it."""
    if place == where:
        raise ValueError(f"fault in {place}")


class Partition(StatefulSourcePartition):
    left = 3

    def next_batch(self):
        at("next_batch")
        if not self.left:
            raise StopIteration
        self.left -= 1
        return [("key", self.left)]

    def snapshot(self):
        return None


class Source(FixedPartitionedSource):
    def list_parts(self):
        return ["one"]

    def build_part(self, step_id, for_part, resume_state):
        at("build_part")
        return Partition()


class Logic(StatefulBatchLogic):
    def on_batch(self, values):
        at("on_batch")
        return values, StatefulBatchLogic.RETAIN

    def snapshot(self):
        return None


class SinkPartition(StatefulSinkPartition):
    def write_batch(self, values):
        at("write_batch")

    def snapshot(self):
        return None


class Sink(FixedPartitionedSink):
    def list_parts(self):
        return ["one"]

    def build_part(self, step_id, for_part, resume_state):
        return SinkPartition()


def tell(cause):
    print("told:", cause, flush=True)
    if "end at once" in sys.argv:
        import os

        os._exit(7)  # as where the process is aborted before Bytewax gives the error back


flow = Dataflow("flow")
kept = op.stateful_batch("logic", op.input("in", flow, Source()), lambda resume: Logic())
op.output("out", kept, Sink())
note_errors(tell)
try:
    run_main(flow)
except BaseException as error:
    print("given back:", cause_of(error), flush=True)
print("over", flush=True)
'''


def said(*arguments: str) -> tuple[int, list[str]]:
    """Exit code and standard output of the flow."""
    done = subprocess.run(
        [sys.executable, "-c", FLOW, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("step", ["build_part", "next_batch", "on_batch", "write_batch"])
def test_what_a_step_raises_is_told_once_and_is_the_cause_of_what_bytewax_gives_back(step: str) -> None:
    assert said(step) == (0, [f"told: fault in {step}", f"given back: fault in {step}", "over"])


def test_it_is_told_even_where_the_process_does_not_outlive_the_fault() -> None:
    assert said("on_batch", "end at once") == (7, ["told: fault in on_batch"])


def test_a_source_that_ends_is_no_fault() -> None:
    assert said("nowhere") == (0, ["over"])
