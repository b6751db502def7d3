"""Finds out what went wrong in a flow.

With more than one process Bytewax 0.21 answers an error with ``PanicException: Send thread panic``, and the
peers of the failed process die the same way; where several fail at once the process is even aborted before
Python hears of it. So what our own steps raise is caught on its way into Bytewax and told at once. What else
fails is wrapped by Bytewax in a ``BytewaxRuntimeError``, whose construction is noted here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any, Final

from bytewax.errors import BytewaxRuntimeError
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

STEPS: Final = (
    FixedPartitionedSource,
    StatefulSourcePartition,
    StatefulBatchLogic,
    FixedPartitionedSink,
    StatefulSinkPartition,
)
"""What Bytewax calls: sources, logics and sinks are subclasses of these."""
_ENDS: Final = (StopIteration, KeyboardInterrupt)
"""Raised by steps that have no trouble."""

_noted: list[BytewaxRuntimeError] = []
_raised: list[BaseException] = []


def note_errors(tell: Callable[[BaseException], object]) -> None:
    """From now on remember what this process's flow raises; ``tell`` hears at once what a step raised first.

    To be called when the flow is built: it covers the steps whose classes exist then.
    """

    def noted(self: BytewaxRuntimeError, *arguments: Any) -> None:  # noqa: ANN401
        RuntimeError.__init__(self, *arguments)
        _noted.append(self)

    BytewaxRuntimeError.__init__ = noted  # type: ignore[assignment]
    for base in STEPS:
        called = {name for name in dir(base) if not name.startswith("_")} | {"__init__"}
        for step in _below(base):
            for name in called & vars(step).keys():
                method = vars(step)[name]
                if isinstance(method, FunctionType):
                    setattr(step, name, _guarded(method, tell))


def _below(base: type[Any]) -> Iterator[type[Any]]:
    kind: type[Any]
    for kind in base.__subclasses__():
        yield kind
        yield from _below(kind)


def _guarded(method: FunctionType, tell: Callable[[BaseException], object]) -> Callable[..., Any]:
    @functools.wraps(method)
    def guarded(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        try:
            return method(*arguments, **named)
        except _ENDS:
            raise
        except BaseException as error:
            if not _raised:
                _raised.append(error)
                tell(error)
            raise

    return guarded


def cause_of(error: BaseException) -> BaseException | None:
    """What a step of the flow raised first; None where another process failed and took this one along."""
    if _raised:
        return _raised[0]
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
