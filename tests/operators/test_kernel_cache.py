"""Cached kernels go when something they were compiled from is younger than they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from operators.kernel_cache import drop_stale


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """``scan.py`` and ``hash.py`` with a cached function each, ``plain.py`` without, and ``schemas``."""
    for name in ("operators/scan.py", "operators/hash.py", "operators/plain.py", "schemas/windows.py"):
        written(tmp_path / name, at=100)
    for name in ("scan.read-1.py311.nbi", "hash.mix-2.py311.nbi"):
        written(tmp_path / "operators/__pycache__" / name, at=200)
    return tmp_path / "operators"


def written(path: Path, at: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (at, at))


def dropped(package: Path) -> int:
    return drop_stale(package, package.parent / "schemas")


def test_functions_younger_than_all_sources_stay(package: Path) -> None:
    assert dropped(package) == 0


@pytest.mark.parametrize("changed", ["operators/hash.py", "schemas/windows.py"])
def test_a_younger_source_of_any_kernel_or_constant_drops_all_functions(package: Path, changed: str) -> None:
    written(package.parent / changed, at=300)
    assert dropped(package) == 2
    assert list((package / "__pycache__").glob("*.nbi")) == []


def test_a_module_without_kernels_may_change(package: Path) -> None:
    written(package / "plain.py", at=300)
    assert dropped(package) == 0


def test_what_was_compiled_since_stays(package: Path) -> None:
    written(package / "scan.py", at=300)
    written(package / "__pycache__/scan.read-1.py311.nbi", at=400)
    assert dropped(package) == 1
