"""Text in columns of a terminal, where a Chinese character is two cells wide."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size


def left(text: str, width: int) -> str:
    """``text`` cut or filled to ``width`` cells, at the left."""
    return set_cell_size(text, width)


def right(text: str, width: int) -> str:
    """``text`` filled to ``width`` cells, at the right; what does not fit is kept whole."""
    return " " * max(0, width - cell_len(text)) + text


def fits(text: str, width: int = 80) -> bool:
    """Whether ``text`` is at most ``width`` cells wide."""
    return cell_len(text) <= width


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """``text`` in lines of at most ``width`` cells, broken at spaces; all but the first are indented."""
    lines, line = [], ""
    for word in text.split(" "):
        candidate = f"{line} {word}" if line.strip() else line + word
        if line.strip() and cell_len(candidate) > width:
            lines.append(line)
            candidate = indent + word
        line = candidate
    return [*lines, line]
