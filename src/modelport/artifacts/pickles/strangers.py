"""Names that a pickle may not hold, found before any library is imported for those that it may."""

from __future__ import annotations

from pathlib import Path

from modelport.artifacts.pickles.allowed import LIBRARIES
from modelport.artifacts.pickles.outline import read_outline
from modelport.artifacts.pickles.permit import Refused
from modelport.artifacts.pickles.plain import find_plain

KNOWN = LIBRARIES | {"numpy", "joblib", "_loss"}
MOST_BYTES = 64 * 2**20
"""Of files that are read for this: it spares a hostile file's second, and should not cost a good one's."""


def refuse_strangers(path: Path, code: frozenset[str] = frozenset()) -> None:
    """Raise Refused for a name of a module that nothing on the list comes from. `code` are modules that the user trusts.

    An addition to the reader that checks what is about to happen, never a substitute: what this cannot read passes.
    """
    if path.stat().st_size > MOST_BYTES:
        return
    try:
        names = read_outline(path).names
    except Exception:  # damaged, or hostile in a way of its own: whoever reads it in earnest says so
        return
    for module, name in sorted(names):
        if module.partition(".")[0] not in KNOWN | code and find_plain(module, name) is None:
            raise Refused(f"{module}.{name}")
