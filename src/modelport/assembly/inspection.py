"""Everything known of an artifact as plain data: what `modelport inspect` prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from modelport.assembly.forms import compile_beside, open_form
from modelport.codecs.json import encode
from modelport.config import ServeOptions
from modelport.fronts.describe import describe_signature
from modelport.kernel.placement import place
from modelport.kernel.signature import example_value


def inspect_artifact(path: Path, options: ServeOptions) -> dict[str, Any]:
    """The signature with the reason for each guess, where it runs and in which form. Raises SetupError like `load_artifact`."""
    opened = open_form(compile_beside(path, options, None).plain(), path, options)
    signature = opened.model.signature
    placement = place(opened.model.cost, options.executor)
    described = describe_signature(signature)
    for entry, f in zip(described["inputs"], signature.inputs, strict=True):
        entry |= {"example": example_value(f), "reasons": list(f.reasons)}
    head = {
        "artifact": str(path),
        "version": opened.version,
        "executor": f"{placement.executor} ({placement.reason})",
    }
    plain: dict[str, Any] = json.loads(encode({**head, **opened.form, **described, "notes": list(opened.notes)}))
    return plain
