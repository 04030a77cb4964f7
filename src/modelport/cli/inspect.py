"""`modelport inspect`: the signature of a model, and the reason for each guess in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from modelport.config import ServeOptions
from modelport.kernel.ports import Model
from modelport.kernel.signature import Field, Kind


def run_inspect(artifact: Path, options: ServeOptions, as_json: bool) -> int:
    """Load the model in this process and print what is known of it."""
    from modelport.artifacts.digest import VERSION_LENGTH, digest_path
    from modelport.assembly import load_artifact
    from modelport.kernel.placement import place

    model, notes = load_artifact(artifact, options)
    placement = place(model.cost)
    head = {
        "artifact": str(artifact),
        "version": digest_path(artifact)[:VERSION_LENGTH],
        "task": model.signature.task,
        "executor": f"{placement.executor} ({placement.reason})",
    }
    if as_json:
        _print_json(head, model, notes)
    else:
        _print_tables(head, model, notes)
    return 0


def _print_json(head: dict[str, Any], model: Model, notes: tuple[str, ...]) -> None:
    from modelport.codecs.json import encode
    from modelport.fronts.describe import describe_signature

    described = describe_signature(model.signature)
    for entry, f in zip(described["inputs"], model.signature.inputs, strict=True):
        entry["reasons"] = list(f.reasons)
    print(json.dumps(json.loads(encode({**head, **described, "notes": list(notes)})), indent=2, ensure_ascii=False))


def _print_tables(head: dict[str, Any], model: Model, notes: tuple[str, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for key, value in head.items():
        console.print(f"[bold]{key:10}[/bold]{value}", highlight=False)
    table = Table(
        "input", "type", "values", "example", "why", title="Inputs, in the model's order", title_justify="left"
    )
    for f in model.signature.inputs:
        table.add_row(f.name, _type(f), _values(f), _short(f.example), "\n".join(f.reasons))
    console.print(table)
    outputs = Table("output", "type", "classes", "probabilities", title="Outputs", title_justify="left")
    for o in model.signature.outputs:
        outputs.add_row(o.name, o.kind, _short(list(o.classes)) if o.classes else "", "yes" if o.probabilities else "")
    console.print(outputs)
    for note in notes:
        console.print(f"note: {note}", highlight=False)
    console.print("\nA body to send:", highlight=False)
    console.print_json(json.dumps(model.signature.example(), ensure_ascii=False))


def _type(f: Field) -> str:
    shape = "×".join("?" if d is None else str(d) for d in f.shape)
    kind = f"{f.dtype}[{shape}]" if f.kind is Kind.TENSOR else str(f.kind)
    return f"{kind} or null" if f.nullable else kind


def _values(f: Field) -> str:
    if f.categories:
        return f"{_short(list(f.categories))}{'' if f.closed else ' (others flagged)'}"
    return "" if f.low is None or f.high is None else f"{f.low:g} … {f.high:g}"


def _short(value: Any) -> str:
    text = "" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:59] + "…"
