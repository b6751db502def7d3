"""Fixtures of ``loadgen``'s tests."""

from __future__ import annotations

import sys

import pytest

from loadgen.cli import main
from tests.loadgen.console import Done, Loadgen


@pytest.fixture
def loadgen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Loadgen:
    """Call the command with arguments; what it printed and its exit code."""

    def call(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["loadgen", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return Done(int(end.value.code or 0), printed.out, printed.err)

    return call
