"""What this process tells the supervisor of the files that it has read, while developing (`--reload`); otherwise nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from modelport.config import ServeOptions, is_python
from modelport.service import Service


class Readings:
    """Made before anything is imported."""

    def __init__(self, target: str, options: ServeOptions) -> None:
        self._active = options.reload
        self._of_code = is_python(target)
        self._since_ns = time.time_ns()
        if self._active:
            from modelport.assembly.opened import OpenedFiles

            self._opened = OpenedFiles(str(Path(target.partition(":")[0]).parent), os.getcwd())
            self._opened.start()

    def of_service(self, service: Service) -> dict[str, Any]:
        """After its import: what each model rests on, and every file behind it."""
        if not self._active:
            return {}
        from modelport.assembly.footprints import take_footprints

        taken = take_footprints(service, self._since_ns)
        files = {**self._opened.read, **taken.files}
        apart = {
            mount.name: taken.whole for mount in service.mounts if mount.isolate
        }  # what they use is not looked into
        return {"footprints": taken.models | apart, "calls": taken.calls, "whole": taken.whole, "files": files}

    def of_model(self) -> dict[str, Any]:
        """After it has loaded. Whose code it is, the catalog has told; of a saved model nobody else knows what it has imported."""
        if not self._active:
            return {}
        from modelport.assembly.sources import stamps_of, users_modules

        code = {} if self._of_code else stamps_of(list(users_modules()))
        return {"files": {**code, **self._opened.stop()}}

    def of_failure(self) -> dict[str, Any]:
        """Where reading it has failed: what there was to read, since the mistake is in one of these files."""
        if not self._active:
            return {}
        from modelport.assembly.footprints import files_reached

        return {"files": {**self._opened.stop(), **files_reached()}}
