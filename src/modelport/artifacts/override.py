"""The small TOML file beside a model (`genre.joblib` → `genre.toml`) in which people correct its signature.

features = ["acousticness", "tempo"] # names for a model that stores none
target = "genre"
classes = ["Hip-Hop", "Rock"]        # names for the classes 0, 1, … of a booster's own file

[fields.tempo]
type = "float"                       # float, int, bool, string
nullable = true
range = [40, 250]
categories = ["a", "b"]
closed = true                        # refuse categories not listed
example = 120.5
description = "beats per minute"

[fields.image]                       # an input that is a tensor
shape = [3, -1, -1]                  # of one record, without the batch; -1 for an axis of any length
dtype = "float32"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from modelport.errors import SignatureError
from modelport.kernel.ports import Hints

TOP_KEYS = ("features", "target", "classes", "fields")
FIELD_KEYS = ("type", "nullable", "range", "categories", "closed", "example", "description", "shape", "dtype")


def override_path(artifact: Path) -> Path | None:
    """The file beside the artifact, if there is one."""
    path = artifact.with_suffix(".toml")
    return path if path.is_file() and path.name != "modelport.toml" else None  # that one holds options


def read_override(artifact: Path, hints: Hints) -> Hints:
    """The hints with what the TOML file beside the artifact adds; what was said on the command line wins over it.

    Raises SignatureError naming the wrong key.
    """
    path = override_path(artifact)
    if path is None:
        return hints
    import tomllib  # most artifacts have no such file

    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SignatureError(f"{path} is not valid TOML: {error}") from None
    _check(content, path)
    return replace(
        hints,
        features=hints.features or tuple(content.get("features", ())),
        named_by=hints.named_by if hints.features else path.name,
        target=hints.target or content.get("target"),
        classes=tuple(content.get("classes", ())),
        corrections=content.get("fields", {}),
    )


def _check(content: Mapping[str, Any], path: Path) -> None:
    _check_keys(content, TOP_KEYS, str(path))
    features, tables = content.get("features", []), content.get("fields", {})
    if not isinstance(features, list) or not all(isinstance(name, str) for name in features):
        raise SignatureError(f'{path}: features wants a list of names, such as ["tempo", "energy"]')
    if not isinstance(content.get("target", ""), str):
        raise SignatureError(f"{path}: target wants the name of a column")
    _check_classes(content.get("classes", ["", "x"]), path)
    if not isinstance(tables, dict) or not all(isinstance(t, dict) for t in tables.values()):
        raise SignatureError(f"{path}: fields wants tables, such as [fields.tempo]")
    for name, table in tables.items():
        _check_keys(table, FIELD_KEYS, f"{path}, [fields.{name}]")


def _check_classes(classes: Any, path: Path) -> None:
    alike = isinstance(classes, list) and {type(c) for c in classes} in ({str}, {int})
    if not alike or len(set(classes)) != len(classes):
        raise SignatureError(
            f'{path}: classes wants different names, all texts or all whole numbers, such as ["no", "yes"]'
        )


def _check_keys(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in table:
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise SignatureError(f"{where}: {key!r} is not a key of this file; {hint}")
