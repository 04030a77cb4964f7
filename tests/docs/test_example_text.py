"""The example that streams: each topic is sent as soon as it is known."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.examples import EXAMPLES
from tests.docs.test_examples import asking, load, served

MESSAGES = {"messages": ["my parcel has not arrived", "I was charged twice"]}
STEPS = [
    {"text": "my parcel has not arrived", "topic": "delivery", "done": 1, "of": 2},
    {"text": "I was charged twice", "topic": "payment", "done": 2, "of": 2},
]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with its model."""
    folder = Path(shutil.copytree(EXAMPLES / "text", tmp_path_factory.mktemp("examples") / "text"))
    subprocess.run([sys.executable, "train.py"], cwd=folder, check=True, capture_output=True)
    return folder


async def test_fastapi_answers_in_lines(text: Path) -> None:
    async with asking(load(text, "fastapi_app").app) as client:
        answer = await client.post("/topics", json=MESSAGES)
        assert [json.loads(line) for line in answer.text.splitlines()] == STEPS


async def test_the_model_answers_in_lines_and_in_events(text: Path) -> None:
    async with served(text) as client:
        lines = await client.post("/predict", json=MESSAGES)
        assert [json.loads(line) for line in lines.text.splitlines()] == STEPS
        events = await client.post("/predict", json=MESSAGES, headers={"accept": "text/event-stream"})
        said = [line.removeprefix("data: ") for line in events.text.splitlines() if line.startswith("data: ")]
        assert [json.loads(line) for line in said] == [*STEPS, {"items": 2}]


async def test_a_body_that_is_none_is_refused_before_anything_is_streamed(text: Path) -> None:
    async with served(text) as client:
        assert (await client.post("/predict", json={"messages": "one"})).status_code == 422
