"""The table that ships with the package, from what was compared."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TABLE = Path("src/modelport/native/table.json")
SEEN, AS_IS, REPAIRED = range(3)

Key = tuple[str, tuple[str, ...]]
Compared = Mapping[str, Sequence[Mapping[str, Any]]]
"""By release: what `comparing` found of each model."""


def write_table(compared: Compared, installed: str, place: Path = TABLE) -> None:
    """Write it anew for one installed release; what it says of others stays where the releases that saved are the same."""
    old = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
    releases = list(compared)
    kept = (
        {k: _spelled(v, old["words"]) for k, v in old["installed"].items()} if old.get("releases") == releases else {}
    )
    kept[installed] = masks(compared)
    words = sorted(
        {word for kinds in kept.values() for entries in kinds.values() for known, *_ in entries for word in known}
    )
    index = {word: i for i, word in enumerate(words)}
    whole = {
        "releases": releases,
        "words": words,
        "installed": {
            name: {
                kind: [[sorted(index[word] for word in known), *bits] for known, *bits in entries]
                for kind, entries in sorted(kinds.items())
            }
            for name, kinds in sorted(kept.items())
        },
    }
    place.write_text(_compact(whole), encoding="utf-8")


def masks(compared: Compared) -> dict[str, list[Any]]:
    """By class: the words of each kind, and for each release a bit whether it was seen and answered equally in each way."""
    found: dict[Key, list[int]] = defaultdict(lambda: [0, 0, 0])
    for number, entries in enumerate(compared.values()):
        for key in {key for entry in entries for key in _keys(entry)}:
            found[key][SEEN] |= 1 << number
        for place, way in ((AS_IS, "as_is"), (REPAIRED, "repaired")):
            for key in _good_kinds(entries, way):
                found[key][place] |= 1 << number
    by_class: dict[str, list[Any]] = defaultdict(list)
    for (name, words), bits in sorted(found.items()):
        by_class[name].append([list(words), *bits])
    return dict(by_class)


def _good_kinds(entries: Sequence[Mapping[str, Any]], way: str) -> set[Key]:
    """Those of models that answered equally. Where another model did not, at least one of its kinds must be to blame:
    if each was good elsewhere, then the one that was so most seldom."""
    counts = Counter(key for entry in entries if entry[way] == "equal" for key in _keys(entry))
    blamed: set[Key] = set()
    for entry in entries:
        keys = _keys(entry)
        if entry[way] != "equal" and keys:
            least = min(counts[key] for key in keys)
            blamed |= {key for key in keys if counts[key] == least}
    return set(counts) - blamed


def _keys(entry: Mapping[str, Any]) -> list[Key]:
    return [(name, tuple(words)) for name, words in entry.get("kinds", ())]


def _spelled(kinds: Mapping[str, Any], words: Sequence[str]) -> dict[str, list[Any]]:
    return {kind: [[[words[i] for i in known], *bits] for known, *bits in entries] for kind, entries in kinds.items()}


def _compact(whole: Mapping[str, Any]) -> str:
    """One line for each class, so that a change shows where it is."""
    parts = []
    for name, kinds in whole["installed"].items():
        lines = ",\n".join(
            f"   {json.dumps(kind)}: {json.dumps(entries, separators=(',', ':'))}" for kind, entries in kinds.items()
        )
        parts.append(f"  {json.dumps(name)}: {{\n{lines}\n  }}")
    head = f' "releases": {json.dumps(whole["releases"])},\n "words": {json.dumps(whole["words"])},\n'
    return "{\n" + head + ' "installed": {\n' + ",\n".join(parts) + "\n }\n}\n"
