"""Compiled code that is older than what it was made of must not be used.

The engine has the same rule (``operators.kernel_cache``, with its reason); loadgen shares no code with it.
"""

from __future__ import annotations

import contextlib
from pathlib import Path


def drop_stale(package: Path, constants: Path) -> None:
    """Remove cached functions of ``package`` unless younger than all that may be compiled into them."""
    newest_ns = max(p.stat().st_mtime_ns for folder in (package, constants) for p in folder.glob("*.py"))
    for index in (package / "__pycache__").glob("*.nbi"):
        with contextlib.suppress(OSError):  # gone already, or not ours to remove
            if index.stat().st_mtime_ns < newest_ns:
                index.unlink()
