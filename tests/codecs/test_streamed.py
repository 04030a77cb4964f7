"""Whether a function answers item by item: told from its kind and its annotation, and what contradicts itself is refused."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from typing import Any

import pytest

from modelport.codecs.typed import read_body_type
from modelport.errors import ConfigError


def read(function: Callable[..., Any], batch: bool = False) -> Any:
    """The types of a function."""
    return read_body_type(function, batch, None, "app.py:7")


def words(text: str) -> Iterator[str]:
    yield text


def numbers(text: str) -> Generator[int, None, None]:
    yield 1


def any_words(text: str) -> Iterable[str]:
    yield text


def untyped(text: str):  # type: ignore[no-untyped-def]
    yield text


def handed_on(text: str) -> Iterator[str]:
    return iter([text])


async def slow_words(text: str) -> AsyncIterator[str]:
    yield text


async def slow_numbers(text: str) -> AsyncGenerator[int, None]:
    yield 1


async def any_slow_words(text: str) -> AsyncIterable[str]:
    yield text


async def opened(text: str) -> AsyncIterator[str]:
    return slow_words(text)


@pytest.mark.parametrize(
    ("function", "is_async", "item"),
    [
        (words, False, "string"),
        (numbers, False, "integer"),
        (any_words, False, "string"),
        (untyped, False, None),
        (handed_on, False, "string"),
        (slow_words, True, "string"),
        (slow_numbers, True, "integer"),
        (any_slow_words, True, "string"),
        (opened, True, "string"),
    ],
)
def test_these_answer_item_by_item(function: Any, is_async: bool, item: str | None) -> None:
    body = read(function)
    assert body.stream is not None
    assert body.stream.is_async == is_async
    assert body.schemas("m")["answer"].get("type") == item


def once(text: str) -> list[str]:
    return [text]


def once_iterable(text: str) -> Iterable[str]:
    return [text]


@pytest.mark.parametrize("function", [once, once_iterable])
def test_these_answer_once(function: Any) -> None:
    assert read(function).stream is None


def yields_a_list(text: str) -> list[str]:  # type: ignore[misc]
    yield text


def yields_a_word(text: str) -> str:  # type: ignore[misc]
    yield text


def wrong_way(text: str) -> AsyncIterator[str]:  # type: ignore[misc]
    yield text


async def other_wrong_way(text: str) -> Iterator[str]:  # type: ignore[misc]
    yield text


async def waits_for_a_generator(text: str) -> Iterator[str]:
    return words(text)


@pytest.mark.parametrize(
    ("function", "remedy"),
    [
        (yields_a_list, r"says list\[str\]: write  -> Iterator\[str\]"),
        (yields_a_word, r"says str: write  -> Iterator\[str\]"),
        (wrong_way, r"write  -> Iterator\[str\]"),
        (other_wrong_way, r"write  -> AsyncIterator\[str\]"),
        (waits_for_a_generator, r"-> AsyncIterator\[…\],  or make it a def"),
    ],
)
def test_what_contradicts_itself_is_refused_with_its_place_and_the_remedy(function: Any, remedy: str) -> None:
    with pytest.raises(ConfigError, match=f"^app.py:7: .*{remedy}"):
        read(function)


def batched(texts: list[str]) -> Iterator[str]:
    yield from texts


def test_a_batch_cannot_be_a_stream() -> None:
    with pytest.raises(
        ConfigError, match=r"^app.py:7: batch=True and a stream exclude each other.*leave out batch=True"
    ):
        read(batched, batch=True)
