"""The dataflows, each readable from top to bottom as the way the data takes."""
