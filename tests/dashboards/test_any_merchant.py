"""What the dashboard for any merchant asks of the JSON API: each question is answered with what it takes."""

from __future__ import annotations

from typing import Any

import pytest

from dashboards.grafana.any_merchant import QUESTIONS, Question
from tests.dashboards.conftest import STAR, THE_NIGHT, Proof
from tests.dashboards.servers import answer
from warroom.children import LOOPBACK, accepts, free_port
from warroom.waiting import wait_until

pytestmark = THE_NIGHT


@pytest.fixture(scope="module")
def web(proof: Proof) -> str:
    """Where ``warroom web`` answers over the night's Redis; it ends with the night."""
    port = free_port()
    proof.night.start("warroom", "web", "--redis", proof.night.redis.url, "--port", port)
    assert wait_until(lambda: accepts(LOOPBACK, port), 20), proof.night.log("warroom").read_text()
    return f"http://{LOOPBACK}:{port}"


@pytest.mark.parametrize("title", QUESTIONS)
def test_each_question_is_answered_with_every_column(web: str, title: str) -> None:
    question: Question = QUESTIONS[title]
    told: Any = answer(web + question.path.replace("${merchant:percentencode}", STAR))
    rows = told[question.root] if question.root else [told]
    assert rows, told
    for column in question.columns:
        if isinstance(rows[0], list):
            assert int(column.selector) < len(rows[0])
        else:
            assert column.selector in rows[0]
