"""`python -m modelport.assembly.holder_early …`: a holder whose model answers from a native environment.

The process there is started before anything else is imported here, since its libraries take the longest.
"""

from __future__ import annotations

import json
import sys

from modelport.native.early import start_early


def main(arguments: list[str]) -> int:
    """Run one holder."""
    native = json.loads(arguments[0])["form"]["native"]
    start_early(native["folder"], native["file"], native["imports"] == "late")
    from modelport.assembly.holder import main as hold

    return hold(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
