"""The pieces of the pipeline, one subject a file. No wiring, no reading of configuration."""

from pathlib import Path

from operators.kernel_cache import drop_stale

drop_stale(Path(__file__).parent, Path(__file__).parent.parent / "schemas")
