"""Objects as YAML, in the order in which they were written down."""

from __future__ import annotations

import re
from typing import Any

from modelport.errors import MissingExtra

NUMBER = re.compile(r"[-+]?(\.[0-9_]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|0[oxb][0-9a-fA-F_]+")
"""What readers of YAML 1.2 take for a number. A digest like 12e456789012 is one to them, and none to those of YAML 1.1."""


def to_yaml(content: Any, comment: str = "") -> str:
    """One document. Raises MissingExtra where nothing is installed that writes it."""
    try:
        import yaml
    except ImportError:
        raise MissingExtra("shipping", "ship") from None
    # Kubernetes reads no anchors well that people have to edit: what is there twice is written twice.
    dumper: Any = type("Plain", (yaml.SafeDumper,), {"ignore_aliases": lambda self, data: True})
    dumper.add_representer(str, _text)
    text: str = yaml.dump(content, Dumper=dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return f"# {comment}\n{text}" if comment else text


def _text(dumper: Any, value: str) -> Any:
    style = "'" if NUMBER.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)
