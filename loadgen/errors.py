"""What ``loadgen`` tells a person instead of a traceback.

LoadgenError       exit code 2: bad input; the message is one line
└── DeliveryError  exit code 1: a server failed while something was sent or compared
"""

from __future__ import annotations


class LoadgenError(Exception):
    """A scenario, a file, a flag or a topic is not as it must be: what is wrong, where, what is right."""

    exit_code = 2


class DeliveryError(LoadgenError):
    """A server went away or refused something after the run had begun."""

    exit_code = 1
