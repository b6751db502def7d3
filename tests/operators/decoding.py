"""The scanners held against the full decoder: both refuse the same lines for the same reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from operators.decode import Decoded, RejectedError
from schemas.events import FUTURE_TOLERANCE_MS
from tests.operators.night import DAY_START_MS


class Timed(Protocol):
    """An event of either stream."""

    @property
    def event_time_ms(self) -> int: ...


E = TypeVar("E", bound=Timed)


def accepted(decoded: Decoded[Any], read: Callable[[bytes], E]) -> Iterator[tuple[int, E]]:
    """Row and event, as the full decoder ``read`` has it, of every line that is accepted.

    Fails where the scanner refused another line, or gave another reason. ``decoded``: of messages at offset
    100 and the following, stamped ``DAY_START_MS``.
    """
    refused = {(letter.offset, letter.line): letter for letter in decoded.dead_letters}
    for row, (message, start, end, number) in enumerate(decoded.lines.tolist()):
        line = decoded.raw.data[start:end].tobytes()
        letter = refused.get((100 + message, number))
        try:
            expected = read(line)
        except RejectedError as rejected:
            assert letter is not None, line
            assert letter.reason == rejected.reason
            continue
        ahead = expected.event_time_ms - DAY_START_MS > FUTURE_TOLERANCE_MS
        assert (letter is not None and letter.reason == "future") == ahead, line
        if not ahead:
            yield row, expected
