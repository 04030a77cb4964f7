"""The files that joblib before 0.10 put an array each in: `model.pkl_01.npy` beside `model.pkl`, packed ones with `.z` behind."""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"_\d{2,5}\.npy(\.z)?")


def companions(path: Path) -> list[Path]:
    """Those of a model file, in the order of their numbers; none for a folder."""
    if path.is_dir() or not path.parent.is_dir():
        return []
    start = path.name
    found = [
        p for p in path.parent.iterdir() if p.name.startswith(f"{start}_") and _NAME.fullmatch(p.name[len(start) :])
    ]
    return sorted(p for p in found if p.is_file())


def is_companion(path: Path, name: str) -> bool:
    """Whether a name is that of a companion of the file, in its own folder."""
    return name.startswith(f"{path.name}_") and _NAME.fullmatch(name[len(path.name) :]) is not None
