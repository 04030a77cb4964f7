"""`python -m modelport.assembly.holder_early …`: a holder whose start is shortened, since libraries are what takes longest in it.

Where a native environment answers, its process is started before anything else is imported here. Where the installed libraries
serve, those that the model was shown to do without are put off before anything could import them.
"""

from __future__ import annotations

import json
import sys


def main(arguments: list[str]) -> int:
    """Run one holder."""
    form = json.loads(arguments[0])["form"]
    if form.get("native"):
        from modelport.native.early import start_early

        native = form["native"]
        start_early(native["folder"], native["file"], native["imports"] == "late")
    if form.get("late"):
        from modelport.native.foreign_imports import put_off

        put_off(form["late"])
    from modelport.assembly.holder import main as hold

    return hold(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
