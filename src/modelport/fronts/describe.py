"""What a served model is, as plain data: the body of `GET /models/{name}`, and what the banner prints."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from modelport.kernel.signature import Field, Output, Signature
from modelport.runtime.lifecycle import Loaded, Slot


def describe_slot(slot: Slot) -> dict[str, Any]:
    """A slot in any state."""
    described: dict[str, Any] = {"name": slot.name, "state": slot.doing}
    if slot.error:
        described["error"] = "the model failed to load; the server's log says why"
    if slot.loaded is None:
        return {**described, "elapsed_seconds": round(slot.elapsed(), 1)}
    loaded = slot.loaded
    return {
        **described,
        "version": loaded.version,
        **describe_loaded(loaded),
        "executor": loaded.executor,
        **loaded.form,
        "predict": f"/models/{quote(slot.name)}/predict",
    }


def describe_loaded(loaded: Loaded) -> dict[str, Any]:
    """What goes in and what comes out, in the terms that the model has: a signature or JSON Schemas."""
    if loaded.signature is not None:
        return describe_signature(loaded.signature)
    described = {
        "body": loaded.body_schema,
        "answer": loaded.answer_schema,
        "example": loaded.example,
        "streams": loaded.streams or None,
    }
    return {key: value for key, value in described.items() if value is not None}


def describe_signature(signature: Signature) -> dict[str, Any]:
    """Task, inputs, outputs and an example body."""
    return {
        "task": signature.task,
        "inputs": [_describe_field(f) for f in signature.inputs],
        "outputs": [_describe_output(o) for o in signature.outputs],
        "accepts_flat_lists": signature.positional,
        "example": signature.example(),
    }


def _describe_field(f: Field) -> dict[str, Any]:
    described = {
        "type": f.kind,
        "nullable": f.nullable,
        "optional": f.optional or None,
        "training_range": None if f.low is None else [f.low, f.high],
        "categories": list(f.categories),
        "unseen_categories": None if not f.categories else "refused" if f.closed else "flagged",
        "shape": list(f.shape) if f.kind == "tensor" else None,
        "dtype": f.dtype,
        "description": f.description,
    }
    return {"name": f.name, **_said(described)}


def _describe_output(o: Output) -> dict[str, Any]:
    described = {
        "type": o.kind,
        "classes": list(o.classes),
        "probabilities": o.probabilities or None,
        "shape": list(o.shape) if o.kind == "tensor" else None,
        "dtype": o.dtype,
    }
    return {"name": o.name, **_said(described)}


def _said(described: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in described.items() if value not in (None, [], "")}
