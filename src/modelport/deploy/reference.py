"""How an image is called: what registries and container engines take for a name, and its parts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from modelport.errors import ConfigError

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
REFERENCE = re.compile(
    rf"(?P<repository>(?:{_HOST}/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
"""The grammar of the Distribution project: a host may have capitals, what follows may not."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An image of a registry. At least one of `tag` and `digest` is there."""

    repository: str
    tag: str
    digest: str = ""

    def __str__(self) -> str:
        return self.repository + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def read_reference(text: str, tag: str) -> Reference:
    """What the user says, with this tag where none is said. Raises ConfigError for what no registry would take."""
    found = REFERENCE.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"--tag {text[:120]!r} cannot name an image: write REGISTRY/REPOSITORY:TAG, the repository in lower case, "
            "as in registry.example/team/genre:1"
        )
    digest = found["digest"] or ""
    return Reference(found["repository"], found["tag"] or ("" if digest else tag), digest)
