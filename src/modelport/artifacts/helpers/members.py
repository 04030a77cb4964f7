"""The pieces that a model was saved in: every object of every file, by the name that messages give it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from modelport.artifacts.loaders.sklearn_parts import has_method, refuse_endless
from modelport.errors import ArtifactError

MOST_MEMBERS = 1000
DEEPEST = 6
LONGEST_LIST = 100
"""A longer one is data, not what somebody has put together."""

SCALARS = (str, bytes, int, float, complex, bool, type(None), np.generic)


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """An object with its place: `label` is for messages, `key` the last key that led to it.

    `told`: a file that the user has named for it, so it may not go unused. `ordered`: its place among the others was chosen by
    the user: the order of the options, or that of a list.
    """

    label: str
    thing: Any
    key: str = ""
    told: bool = False
    ordered: bool = False

    def __str__(self) -> str:
        return f"{self.label} ({kind_of_thing(self.thing)})"


def is_container(thing: Any) -> bool:
    """Whether it is not itself what is looked for, but may hold that."""
    if isinstance(thing, dict):
        return True
    if not isinstance(thing, (list, tuple)) or len(thing) > LONGEST_LIST:
        return False
    return any(not isinstance(item, SCALARS) for item in thing)


def unpack(member: Member) -> list[Member]:
    """The members of dicts, lists and tuples, however deep; of anything else, itself.

    A dict of plain values, such as `{"low": 0, "high": 1}`, is one piece. Raises ArtifactError for what is too deep or too much to
    be made by hand, and for what contains itself.
    """
    found = list(islice(_unpacked(member), MOST_MEMBERS + 1))
    if len(found) > MOST_MEMBERS:
        raise ArtifactError(
            f"{member.label} holds more than {MOST_MEMBERS:,} objects: save the model with what it needs"
        )
    for one in found:
        refuse_endless(one.thing, one.label)
    return found


def _unpacked(member: Member, depth: int = 0) -> Iterator[Member]:
    thing = member.thing
    if depth > DEEPEST:
        raise ArtifactError(
            f"{member.label} holds dicts or lists more than {DEEPEST} deep: save its objects in one dict"
        )
    if isinstance(thing, dict) and not all(isinstance(value, SCALARS) for value in thing.values()):
        for key, value in thing.items():
            yield from _unpacked(Member(f"{member.label}[{key!r}]", value, str(key), False), depth + 1)
    elif is_container(thing) and not isinstance(thing, dict):
        for i, value in enumerate(thing):
            yield from _unpacked(Member(f"{member.label}[{i}]", value, "", False, ordered=True), depth + 1)
    else:
        yield member


def read_helpers(paths: Sequence[Path], read: Callable[[Path], Any]) -> list[Member]:
    """The objects of the files that were given beside the model, in that order. `read` loads one that is not JSON."""
    found: list[Member] = []
    for path in paths:
        thing = _read_json(path) if path.suffix.lower() == ".json" else read(path)
        found += unpack(Member(path.name, thing, path.stem, told=True, ordered=True))
    return found


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} is not JSON: {error}") from None


def kind_of_thing(thing: Any) -> str:
    """What an object is, in few words."""
    if isinstance(thing, (list, tuple)):
        kinds = sorted({type(item).__name__ for item in thing})
        return f"a {type(thing).__name__} of {len(thing)} {' and '.join(kinds[:3]) or 'items'}"
    if isinstance(thing, dict):
        return f"a dict of {len(thing)}: {', '.join(map(str, list(thing)[:5]))}"
    if isinstance(thing, np.ndarray):
        return f"an array of {thing.dtype}, {'×'.join(map(str, thing.shape))}"
    return type(thing).__name__


def texts_of(thing: Any) -> list[str] | None:
    """The texts of a list, tuple, array, index or series that holds nothing else; None for anything else."""
    if isinstance(thing, (str, bytes, dict, set, frozenset)):
        return None
    if not isinstance(thing, (list, tuple)):
        if getattr(thing, "ndim", None) != 1 or not has_method(thing, "tolist"):
            return None
        thing = thing.tolist()
    return [str(item) for item in thing] if thing and all(isinstance(item, str) for item in thing) else None
