"""What tests of supervisor, zygote and workers share."""

from __future__ import annotations

from pathlib import Path

import pytest

from operators.redis_run import Run
from tests.warroom.fake_flow import SCRIPT
from tests.warroom.test_supervisor import Script, settings_of
from warroom.children import free_port
from warroom.post import Post
from warroom.wiring import options_of, process_options_of


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.setenv(SCRIPT, str(tmp_path))
    return Script(tmp_path)


@pytest.fixture
def post() -> Post:
    """Of a worker without neighbours whose input ends at once."""
    settings = settings_of()
    return Post(
        index=0,
        addresses=(f"127.0.0.1:{free_port()}",),
        run=Run(1, "run", 1),
        flow=options_of(settings, bounded=True),
        process=process_options_of(settings),
        start_over=False,
    )
