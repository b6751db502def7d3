"""Speed, measured as ratios to a bare loop over the same bytes in the same run."""
