"""Environments that are there already, in a cache that is new otherwise."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from modelport.assembly.native import read_stored
from modelport.native.environments import FOLDER
from modelport.native.versions import needed


def borrow(environments: Path, cache: Path, models: Iterable[Path]) -> None:
    """Lay what these models need into a cache, as further names of the same files: links to folders are refused there.

    Both must be on the same file system.
    """
    for key in {needed(read_stored(model)).key for model in models}:
        shutil.copytree(environments / FOLDER / key, cache / FOLDER / key, symlinks=True, copy_function=os.link)


def give_back(cache: Path) -> None:
    """Take them away again; nothing of the originals is lost."""
    shutil.rmtree(cache / FOLDER)
