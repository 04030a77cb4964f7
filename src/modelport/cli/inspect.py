"""`modelport inspect`: the signature of a model, or of each model of a service, and the reason for each guess in it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from modelport.cli.banner import form_lines
from modelport.config import ServeOptions, is_python, refuse_for_service, refuse_remote
from modelport.errors import ArtifactError

Described = dict[str, Any]


def run_inspect(artifact: Path, options: ServeOptions, as_json: bool) -> int:
    """Load the model, or all models of a service, in this process and print what is known of each."""
    refuse_remote(str(artifact), options)
    declares = is_python(str(artifact))
    if declares:
        refuse_for_service(str(artifact), options)
    if declares or options.allow_pickle:  # a pickle may need the user's own modules
        sys.path.append(os.getcwd())
    try:
        described = _inspect(artifact, options, declares)
    except SystemExit:  # it is code, after all
        raise ArtifactError(f"{artifact} ends the process that loads it: its code calls exit()") from None
    if as_json:
        print(json.dumps({"models": described} if declares else described[0], indent=2, ensure_ascii=False))
        return 0
    for number, each in enumerate(described):
        print("\n" * bool(number), end="")
        (_print_diagnosis if "saved_by" in each else _print_tables if "artifact" in each else _print_schemas)(each)
    return 0


def _inspect(artifact: Path, options: ServeOptions, declares: bool) -> list[Described]:
    from modelport.assembly import inspect_artifact, inspect_service

    return inspect_service(str(artifact), options) if declares else [inspect_artifact(artifact, options)]


def _print_diagnosis(described: Described) -> None:
    """Of what another version saved, and nobody has compared yet."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(soft_wrap=True)
    for key, value in described.items():
        for number, line in enumerate(value if isinstance(value, list) else [value]):
            visible = escape(_visible(line))
            console.print(f"[bold]{key.replace('_', ' ') if not number else '':12}[/bold]{visible}", highlight=False)


def _visible(value: Any) -> str:
    """For a terminal: names are the file's own."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(value))


def _print_schemas(described: Described) -> None:
    """Of a model in Python: its types are all that is known."""
    from rich.console import Console

    console = Console()
    for key in ("name", "declared", "executor"):
        console.print(f"[bold]{key:10}[/bold]{described[key]}", highlight=False)
    for key in ("body", "answer", "example"):
        if described[key] not in (None, {}):
            console.print(f"[bold]{key}[/bold]", highlight=False)
            console.print_json(json.dumps(described[key], ensure_ascii=False))


def _print_tables(described: Described) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    for key in ("name", "artifact", "kind", "safe", "version", "task", "executor"):
        if key not in described:  # a file alone has no name yet
            continue
        console.print(f"[bold]{key:10}[/bold]{escape(_visible(described[key]))}", highlight=False)
    for line in form_lines(described):
        console.print(line, highlight=False)
    columns = ("input", "type", "values", "example", "why")
    table = Table(*columns, title="Inputs, in the model's order", title_justify="left")
    for f in described["inputs"]:
        table.add_row(f["name"], _type(f), _values(f), _short(f["example"]), "\n".join(f["reasons"]))
    console.print(table)
    outputs = Table("output", "type", "classes", "probabilities", title="Outputs", title_justify="left")
    for o in described["outputs"]:
        classes = o.get("classes")
        outputs.add_row(
            o["name"], o["type"], _short(classes) if classes else "", "yes" if o.get("probabilities") else ""
        )
    console.print(outputs)
    for note in described["notes"]:
        console.print(f"note: {note}", highlight=False)
    console.print("\nA body to send:", highlight=False)
    console.print_json(json.dumps(described["example"], ensure_ascii=False))


def _type(f: Described) -> str:
    shape = "×".join("?" if d is None else str(d) for d in f.get("shape", ()))
    kind = f"{f['dtype']}[{shape}]" if f["type"] == "tensor" else f["type"]
    return f"{kind} or null" if f["nullable"] else kind


def _values(f: Described) -> str:
    if "categories" in f:
        return f"{_short(f['categories'])}{'' if f['unseen_categories'] == 'refused' else ' (others flagged)'}"
    low, high = f.get("training_range", (None, None))
    return "" if low is None or high is None else f"{low:g} … {high:g}"


def _short(value: Any) -> str:
    text = "" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"
