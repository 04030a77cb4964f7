"""Golden cases: records with the answers that they must get, asked again through the whole service."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelport.errors import ConfigError
from modelport.testing.cases import Case, is_bundle, read_cases
from modelport.testing.clients import client

MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one case that is not as it was: where the case stands, and where in the answer the field is."""

    place: str
    field: str
    expected: Any
    got: Any

    def __str__(self) -> str:
        return f"{self.place}: {self.field}: expected {self.expected!r:.200}, got {self.got!r:.200}"


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of a replay."""

    cases: int
    differences: tuple[Difference, ...]

    @property
    def same(self) -> bool:
        """Whether each case was answered as it was."""
        return not self.differences

    def check(self) -> None:
        """Raise AssertionError with what differs."""
        if self.differences:
            raise AssertionError(str(self))

    def __str__(self) -> str:
        count = f"{self.cases:,} case{'s' * (self.cases != 1)}"
        if self.same:
            return f"{count} answered as before"
        different = len({difference.place for difference in self.differences})
        lines = [f"{different:,} of {count} answered otherwise", *map(str, self.differences[:MOST_TOLD])]
        more = len(self.differences) - MOST_TOLD
        return "\n  ".join(lines + ([f"… and {more:,} more"] if more > 0 else []))


def replay(
    target: Any,
    cases: str | os.PathLike[str] | Iterable[tuple[Any, Any]] | None = None,
    *,
    model: str | None = None,
    answer: str = "prediction",
    tolerance: float = 1e-6,
    **options: Any,
) -> Replay:
    """Ask every case over HTTP, in this process, and compare the answers.

    `target`: what `client` takes, or a client that is open. `cases`: an `.ndjson` file of `{"record": …, "answer": …}`, a `.csv`
    file, a bundle, or pairs; without them those of the bundle that `target` is. `model`: which one is asked, where there are
    several. `answer`: of a CSV file, the column of the expected answer, or several with commas between. `tolerance`: of
    numbers, relative, and absolute around zero. An expected object names the fields that are compared; an expected value that
    is none is compared with `prediction`. `options` are those of `client`.

    Raises SetupError for cases that cannot be read.
    """
    if cases is None:
        if not isinstance(target, (str, os.PathLike)) or not is_bundle(Path(target)):
            raise ConfigError("replay wants cases: a bundle brings its own, everything else needs a file or pairs")
        cases = target
    with _asked(target, options) as api:
        name = model or _only_model(api)
        described = api.get(f"/models/{name}")
        if described.status_code == 404:
            raise ConfigError(f"replay: there is no model {name!r}: {_served(api)}")
        found = list(read_cases(cases, described.json(), answer.split(",")))
        differences = [each for case in found for each in ask_case(api, name, case, tolerance)]
    return Replay(len(found), tuple(differences))


@contextmanager
def _asked(target: Any, options: Mapping[str, Any]) -> Iterator[Any]:
    if _is_client(target):
        if options:
            raise ConfigError(f"replay: {', '.join(options)} is for the client, which is open already")
        yield target
    else:
        with client(target, **options) as api:
            yield api


def _is_client(target: Any) -> bool:
    """Without httpx there is none, and `client` says what to install."""
    httpx = sys.modules.get("httpx")
    return httpx is not None and isinstance(target, httpx.Client)


def _served(api: Any) -> str:
    return ", ".join(each["name"] for each in api.get("/models").json()["models"])


def _only_model(api: Any) -> str:
    names = [each["name"] for each in api.get("/models").json()["models"]]
    if len(names) != 1:
        raise ConfigError(f"replay: say which model is asked, with model=…: there are {', '.join(names) or 'none'}")
    return str(names[0])


def ask_case(api: Any, model: str, case: Case, tolerance: float) -> list[Difference]:
    """Everything in which one answer differs."""
    response = api.post(f"/models/{model}/predict", json=case.record)
    if response.status_code != 200:
        return [Difference(case.place, "status", 200, f"{response.status_code} {response.text}")]
    got, expected = _answer_in(response), case.answer
    if isinstance(got, list) and got and isinstance(got[-1], dict) and "stream_error" in got[-1]:
        return [Difference(case.place, "the end of the stream", "no error", got[-1]["stream_error"])]
    if isinstance(got, dict) and "prediction" in got and not isinstance(expected, dict):
        expected = {"prediction": expected}
    found = _differences(expected, got, "", tolerance)
    return [Difference(case.place, field or "the answer", left, right) for field, left, right in found]


def _answer_in(response: Any) -> Any:
    """The answer, or of a model that streams the list of its items."""
    if response.headers["content-type"] != "application/x-ndjson":
        return response.json()
    return [json.loads(line) for line in response.content.splitlines()]


def _differences(expected: Any, got: Any, field: str, tolerance: float) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(expected, dict) and isinstance(got, dict):
        for key, value in expected.items():
            inner = f"{field}.{key}".lstrip(".")
            if key in got:
                yield from _differences(value, got[key], inner, tolerance)
            else:
                yield inner, value, "(missing)"
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for index, (left, right) in enumerate(zip(expected, got, strict=True)):
            yield from _differences(left, right, f"{field}[{index}]", tolerance)
    elif not _equal(expected, got, tolerance):
        yield field, expected, got


def _equal(left: Any, right: Any, tolerance: float) -> bool:
    """1 and 1.0 are one number of JSON; true and 1 are not."""
    if isinstance(left, bool) or isinstance(right, bool) or not _are_numbers(left, right):
        return type(left) is type(right) and bool(left == right)
    return left == right or math.isclose(left, right, rel_tol=tolerance, abs_tol=tolerance)


def _are_numbers(left: Any, right: Any) -> bool:
    return isinstance(left, int | float) and isinstance(right, int | float)
