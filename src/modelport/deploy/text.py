"""Objects as YAML, in the order in which they were written down."""

from __future__ import annotations

from typing import Any

from modelport.errors import MissingExtra


def to_yaml(content: Any, comment: str = "") -> str:
    """One document. Raises MissingExtra where nothing is installed that writes it."""
    try:
        import yaml
    except ImportError:
        raise MissingExtra("shipping", "ship") from None
    # Kubernetes reads no anchors well that people have to edit: what is there twice is written twice.
    dumper = type("Plain", (yaml.SafeDumper,), {"ignore_aliases": lambda self, data: True})
    text: str = yaml.dump(content, Dumper=dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return f"# {comment}\n{text}" if comment else text
