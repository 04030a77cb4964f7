"""A whole number may come with a point, as JSON Schema has it; nothing else becomes one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from modelport.codecs.typed import read_body_type
from modelport.errors import InvalidInput


class Song(BaseModel):
    """A whole number in a list, in a union, and alone."""

    beats: int
    bars: list[int] = []
    key: int | str = 0
    score: float = 0.0


def read(body: Any) -> Any:
    """As a model in Python reads it."""

    def predict(song: Song) -> int:
        return 1

    values, listed = read_body_type(predict, False, None, "here").decode(json.dumps(body).encode())
    return values if listed else values[0]


def test_a_whole_number_with_a_point_is_one() -> None:
    song = read({"beats": 120.0, "bars": [1, 2.0, 3], "key": 7.0, "score": 2.0})
    assert song == Song(beats=120, bars=[1, 2, 3], key=7, score=2.0)
    assert [type(value) for value in (song.beats, song.bars[1], song.key, song.score)] == [int, int, int, float]


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"beats": 120.5}, ("body", "beats")),
        ({"beats": "120"}, ("body", "beats")),
        ({"beats": True}, ("body", "beats")),
        ({"beats": 1.0, "bars": [1.5]}, ("body", "bars", 0)),
        ({"beats": 2.0, "tempo": 2.0, "bars": None}, ("body", "bars")),
    ],
)
def test_what_is_none_is_refused_at_its_place(body: Any, loc: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(body)
    assert [problem.loc for problem in refused.value.problems] == [loc]


def test_long_lists_are_read_alike() -> None:
    songs = read([{"beats": 120.0, "bars": list(range(50))}] * 1000)
    assert len(songs) == 1000
    assert all(song.beats == 120 and isinstance(song.beats, int) for song in songs)
