"""Rehearse the night: seeded scenarios, replay of recorded days, and the oracle of right answers."""
