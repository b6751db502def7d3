"""The rig that breaks things on purpose, and holds what is left against the oracle."""
