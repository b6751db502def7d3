"""The post of a worker: what its supervisor knows arrives as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from operators.redis_run import Run
from warroom.config import Given, load
from warroom.post import Post, post_text, read_post
from warroom.wiring import options_of, process_options_of

SETTINGS = load(
    flags=[
        Given("sale.opens", "2019-12-12T00:00:00+08:00", "--sale-opens"),
        Given("engine.series_watch", "瑞阳生活馆,b", "a test"),
        Given("kafka.client.sasl.password", "s3same", "a test"),
    ]
).settings
POST = Post(
    index=1,
    addresses=("127.0.0.1:1", "127.0.0.1:2"),
    run=Run(7, "abc", 1_576_080_000_000),
    flow=options_of(SETTINGS),
    process=process_options_of(SETTINGS),
    start_over=True,
    restarts=3,
)


def test_a_post_is_read_as_it_was_written() -> None:
    assert POST.flow.kafka.client == {"sasl.password": "s3same"}
    assert POST.flow.engine.series_watch == ("瑞阳生活馆", "b")
    assert read_post(post_text(POST)) == POST


@given(st.one_of(st.none(), st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1)))
def test_the_state_directory_is_a_path_of_any_text_or_none(name: str | None) -> None:
    engine = replace(POST.flow.engine, state_dir=None if name is None else Path(name))
    post = replace(POST, flow=replace(POST.flow, engine=engine))
    assert read_post(post_text(post)) == post
