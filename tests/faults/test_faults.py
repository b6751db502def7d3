"""A night with kills, stops, cuts and an emptied Redis ends with the numbers of a night without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.rig import Night, Rig

LONGEST_PAUSE_S = 10.0


@pytest.mark.timeout(240)
def test_no_order_is_lost_or_counted_twice_through_ten_faults(tmp_path: Path) -> None:
    with Rig(Night(seed=1212), tmp_path) as rig:
        outcome = rig.play()
    print(outcome.summary())
    assert outcome.faults.total() >= 10
    assert outcome.exit_code == 0, rig.log.read_text()
    assert outcome.differences == "", rig.log.read_text()
    assert outcome.dead_letters == outcome.expected_dead_letters
    assert outcome.restarts >= 2
    assert outcome.longest_gap_s <= LONGEST_PAUSE_S
