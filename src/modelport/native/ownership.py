"""Whether a folder of the cache may be believed: what lies in it is run, or decides what is served."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from modelport.errors import ArtifactError


def refuse_others(folder: Path) -> None:
    """Raise ArtifactError for a folder that others own or may write to, or that is a link; one that is not there passes."""
    try:
        found = folder.lstat()
    except OSError:
        return
    if not stat.S_ISDIR(found.st_mode):
        raise ArtifactError(f"{folder} is no folder, and nothing in it is used: remove it, or say --cache-dir FOLDER")
    if found.st_uid not in (os.geteuid(), 0):
        raise ArtifactError(
            f"{folder} belongs to another user, and nothing in it is used: remove it, or say --cache-dir FOLDER"
        )
    if found.st_mode & stat.S_IWOTH:
        raise ArtifactError(
            f"{folder} may be written by every user, and nothing in it is used: run  chmod o-w {folder}  if you know what lies "
            "there, or remove it"
        )
