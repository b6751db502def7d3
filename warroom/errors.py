"""What the application tells a person instead of a traceback.

    WarroomError                exit code 1: something that ran went wrong
    ├── ConfigurationError      exit code 2: a setting is unknown, mistyped or impossible
    ├── PreflightError          exit code 2: a server, port or topic is not as it must be
    └── StateMismatchError      exit code 2: the state directory belongs to another layout

Each message is one line: what is wrong, where, and what would be right.
"""

from __future__ import annotations


class WarroomError(Exception):
    """Root of everything that ``warroom`` reports as one line on standard error."""

    exit_code = 1


class ConfigurationError(WarroomError):
    """A setting is unknown, has the wrong type or an impossible value."""

    exit_code = 2


class PreflightError(WarroomError):
    """A server, a port or a topic is not as the run needs it."""

    exit_code = 2


class StateMismatchError(WarroomError):
    """The state directory was written by another layout, for other topics or partition counts."""

    exit_code = 2
