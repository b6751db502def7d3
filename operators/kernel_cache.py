"""Compiled code that is older than what it was made of must not be used.

Numba keeps compiled functions beside their module and looks at that module's file alone. But a kernel has
those it calls, and the constants of ``schemas``, compiled into it: after an update of another file it would
silently be what it was before, or fail to load. So when a file with kernels, or of ``schemas``, is younger
than a cached function, the function goes and is compiled again.
"""

from __future__ import annotations

import contextlib
from pathlib import Path


def drop_stale(package: Path, *constants: Path) -> int:
    """Remove cached functions of ``package`` that are older than a source they may hold; how many.

    ``constants``: folders of modules whose constants are compiled in.
    """
    cached = list((package / "__pycache__").glob("*.nbi"))
    sources = {package / f"{index.name.partition('.')[0]}.py" for index in cached}
    sources |= {source for folder in constants for source in folder.glob("*.py")}
    newest_ns = max((s.stat().st_mtime_ns for s in sources if s.exists()), default=0)
    dropped = 0
    for index in cached:
        with contextlib.suppress(OSError):  # gone already, or not ours to remove
            if index.stat().st_mtime_ns < newest_ns:
                index.unlink()
                dropped += 1
    return dropped
