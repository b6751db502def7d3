"""Files that come with the project, called by name: scenarios, and formats of recordings."""

from __future__ import annotations

from pathlib import Path

from loadgen.errors import LoadgenError


def names_in(folder: Path) -> list[str]:
    """Names of what is shipped in a folder."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def file_of(name_or_path: str, folder: Path, kind: str) -> Path:
    """The file of a shipped ``kind`` by its name, or the path that was given, which ends in ``.toml``.

    Raises ``LoadgenError`` with the names there are.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml":
        return path
    path = folder / f"{name_or_path}.toml"
    if not path.is_file():
        raise LoadgenError(
            f"no {kind} named {name_or_path!r}; there are {', '.join(names_in(folder))}, "
            "or give the path of a .toml file"
        )
    return path
