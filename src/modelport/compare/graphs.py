"""The compiled form of a model for contestants that run it, too: read from its folder, without anything of Modelport's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LABELS, PROBABILITIES, VALUES = "labels", "probabilities", "values"
READ = ("float", "int", "bool")


@dataclass(frozen=True)
class Graph:
    """An ONNX file with one input, `records`, and what its outputs mean. `classes`: of its labels; empty for numbers."""

    path: Path
    outputs: tuple[str, ...]
    classes: tuple[Any, ...]


def read_graph(folder: Path) -> Graph | str:
    """The graph of a compiled model, or why others cannot run it."""
    facts = json.loads((folder / "compiled.json").read_text(encoding="utf-8"))
    signature, outputs = facts["signature"], tuple(facts["outputs"])
    if facts["feed"]["tables"] or facts["feed"]["texts"] or any(f["kind"] not in READ for f in signature["inputs"]):
        return "the compiled graph reads text by tables beside it"
    if len(signature["outputs"]) != 1 or facts.get("float_labels"):
        return "the compiled graph has several outputs"
    output = signature["outputs"][0]
    if outputs == (VALUES,) and output["kind"] != "float":
        return "the compiled graph gives whole numbers as floats"
    if outputs not in ((LABELS,), (LABELS, PROBABILITIES), (VALUES,)):
        return f"the compiled graph has the outputs {', '.join(outputs)}"
    return Graph(folder / "model.onnx", outputs, tuple(output["classes"]) if LABELS in outputs else ())


def answer_code(graph: Graph) -> str:
    """The lines that make answers of what the graph gives."""
    given = f'SESSION.run({json.dumps(list(graph.outputs))}, {{"records": rows}})'
    if graph.outputs == (VALUES,):
        return f'    (values,) = {given}\n    return [{{"prediction": value}} for value in values.reshape(-1).tolist()]'
    if graph.outputs == (LABELS,):
        return f'    (labels,) = {given}\n    return [{{"prediction": CLASSES[i]}} for i in labels[:, 0].tolist()]'
    return (
        f"    labels, table = {given}\n"
        "    return [\n"
        '        {"prediction": CLASSES[i], "probabilities": dict(zip(NAMES, row, strict=True))}\n'
        "        for i, row in zip(labels[:, 0].tolist(), table.tolist(), strict=True)\n"
        "    ]"
    )


def class_code(graph: Graph) -> str:
    """The lines that name the classes."""
    if not graph.classes:
        return ""
    return f"CLASSES = {list(graph.classes)!r}\nNAMES = [str(name) for name in CLASSES]\n"
