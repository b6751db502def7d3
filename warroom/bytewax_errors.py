"""Finds out what went wrong in a flow.

With more than one process Bytewax 0.21 answers every error with ``PanicException: Send thread panic``,
and the peers of the failed process die the same way. On its way out of the flow each error is wrapped
in a ``BytewaxRuntimeError`` though, whose construction is noted here.
"""

from __future__ import annotations

from typing import Any

from bytewax.errors import BytewaxRuntimeError

_noted: list[BytewaxRuntimeError] = []


def note_errors() -> None:
    """From now on remember what this process's flow raises."""

    def noted(self: BytewaxRuntimeError, *arguments: Any) -> None:  # noqa: ANN401
        RuntimeError.__init__(self, *arguments)
        _noted.append(self)

    BytewaxRuntimeError.__init__ = noted  # type: ignore[assignment]


def cause_of(error: BaseException) -> BaseException | None:
    """What a step of the flow raised first; None where another process failed and took this one along."""
    if type(error).__name__ == "PanicException":
        if not _noted:
            return None
        error = _noted[0]
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    return error


def place_of(error: BaseException) -> str:
    """File and line where an error was raised."""
    trace = error.__traceback__
    if trace is None:
        return "Bytewax"
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
