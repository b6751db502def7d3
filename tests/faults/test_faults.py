"""A night with kills, stops, cuts and an emptied Redis ends with the numbers of a night without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.rig import Night, Rig, median_and_most, recoveries_in
from tests.faults.stage import ONE_BY_ONE
from tests.faults.watcher import Cause, Struck, longest_pauses


@ONE_BY_ONE
@pytest.mark.timeout(300)
def test_no_order_is_lost_or_counted_twice_and_no_value_falls_through_ten_faults(tmp_path: Path) -> None:
    with Rig(Night(seed=1212), tmp_path) as rig:
        outcome = rig.play()
        said = rig.room.said()
    print(outcome.summary())
    assert outcome.faults.total() >= 10
    assert outcome.exit_code == 0, said
    assert outcome.differences == "", said
    assert outcome.restarts >= 2
    assert outcome.recoveries_s != []
    assert outcome.fallen == []
    assert outcome.values_watched > 10_000


def test_recoveries_are_read_from_the_supervisors_log() -> None:
    log = "warroom: run 2: 2 workers started\nwarroom: consuming again after 2.5 s\nworker 0: …\n"
    assert recoveries_in(log) == [2.5]
    assert median_and_most([*recoveries_in(log), 1.5, 9.0]) == "2.5 s at the median, 9.0 s at most"


def test_a_pause_is_put_down_to_the_faults_in_it() -> None:
    fresh_s = [0.0, 1.0, 4.0, 5.0, 12.0, 12.5, 13.5]
    killed = Struck(Cause.PROCESS, 1.1, 1.1)
    cut = Struck(Cause.SERVER, 5.5, 7.5)
    assert longest_pauses(fresh_s, [killed, cut]) == {Cause.PROCESS: 3.0, Cause.SERVER: 7.0}


def test_a_pause_with_an_outage_in_it_is_the_outages() -> None:
    faults = [Struck(Cause.PROCESS, 1.0, 1.0), Struck(Cause.SERVER, 4.0, 6.0)]
    assert longest_pauses([0.0, 9.0], faults) == {Cause.PROCESS: 0.0, Cause.SERVER: 9.0}


def test_a_pause_without_a_fault_is_put_down_to_nothing() -> None:
    assert longest_pauses([0.0, 9.0], [Struck(Cause.PROCESS, 9.5, 9.5)]) == dict.fromkeys(Cause, 0.0)
