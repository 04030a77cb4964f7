"""What a model may be called: its name stands in paths, headers, log lines and the OpenAPI document."""

from __future__ import annotations

RULE = "a name without / ? # % or backslash, of characters that can be seen"


def is_name(name: str) -> bool:
    """Whether a model may be called so. Anything that a path can carry percent-encoded, but for what proxies read differently."""
    return (
        bool(name.strip()) and name not in (".", "..") and name.isprintable() and not any(c in "/?#%\\" for c in name)
    )


def suggest_name(text: str) -> str:
    """A name like this text, to be typed without quotes."""
    words = "".join(c if c.isalnum() or c in "._-" else " " for c in text).split()
    name = "-".join(words).strip(".-")
    return name or "model"


def component_name(name: str) -> str:
    """The name where only letters, digits and `._-` of ASCII may stand; others become their code, so that no two get the same."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else f"_{ord(c):x}_" for c in name)


MOUNTED = "mount "
"""Before its prefix, the name of an application in a process of its own, where models have theirs: no model can be called so."""


def is_mounted(name: str) -> bool:
    """Whether this is no model, but an application in a process of its own."""
    return name.startswith(MOUNTED) and "/" in name
