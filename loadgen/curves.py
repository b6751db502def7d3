"""How arrivals spread over the day: one whole-number weight a second.

Weights are integers so that the same scenario has the same arrivals on every machine.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from loadgen.draws import I64
from loadgen.scenario import Scenario, Spike, clock_seconds

WEIGHT_SCALE: Final = 100_000
"""Weight of a second at the day's mean rate. 3,600 seconds at 10 times this still fit 32 bits."""
SECONDS_AN_HOUR: Final = 3600
TAIL_CONSTANTS: Final = 8
"""A spike ends after this many of its time constants, at 0.03 % of its height."""


def base_curve(scenario: Scenario) -> I64:
    """The day without its spikes: (seconds,) weights, ``WEIGHT_SCALE`` on average over 24 hours."""
    mean = sum(scenario.profile) / len(scenario.profile)
    hourly = [round(part / mean * WEIGHT_SCALE) for part in scenario.profile]
    return np.repeat(np.array(hourly, np.int64), SECONDS_AN_HOUR)[: scenario.hours * SECONDS_AN_HOUR]


def spike_curve(spike: Spike, seconds: int) -> I64:
    """A spike alone: (seconds,) weights, ``magnitude`` times ``WEIGHT_SCALE`` at its peak."""
    weights = np.zeros(seconds, np.int64)
    first = clock_seconds(spike.at)
    length = spike.steepness_s + spike.duration_s + TAIL_CONSTANTS * spike.decay_s
    for offset in range(max(0, min(length, seconds - first))):
        weights[first + offset] = round(_height(spike, offset) * spike.magnitude * WEIGHT_SCALE)
    return weights


def _height(spike: Spike, offset_s: int) -> float:
    """Height of second ``offset_s`` of a spike, between 0 and 1."""
    if offset_s < spike.steepness_s:
        return (offset_s + 0.5) / spike.steepness_s
    past = offset_s - spike.steepness_s - spike.duration_s
    return 1.0 if past < 0 else math.exp(-(past + 0.5) / spike.decay_s)


def apportion(total: int, weights: I64) -> I64:
    """``total`` in whole parts as the ``weights`` say, exactly summing to it; all 0 if they are.

    Part i is the difference of the rounded cumulative shares, so a part is never off by more than one.
    """
    running = np.cumsum(weights.astype(object))
    if len(running) == 0 or running[-1] == 0:
        return np.zeros(len(weights), np.int64)
    marks = [total * int(mark) // int(running[-1]) for mark in running]
    bounds = np.array([0, *marks], np.int64)
    return bounds[1:] - bounds[:-1]
