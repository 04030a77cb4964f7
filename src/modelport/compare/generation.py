"""Writes the contestants: one folder each, with code that a reader may run, judge and edit."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from keyword import iskeyword
from pathlib import Path
from string import Template
from typing import Any

from modelport.compare.contestants import Contestant
from modelport.compare.environments import Environment
from modelport.compare.graphs import Graph, answer_code, class_code
from modelport.compare.subject import Subject

HERE = Path(__file__).parent
PYTHON_TYPES = {"float": "float", "int": "int", "string": "str", "bool": "bool"}
RESERVED = frozenset({"copy", "dict", "json", "schema", "validate", "construct"})
"""Methods of Pydantic's models, which a field would hide."""
RESTX_TYPES = {"float": "Float", "int": "Integer", "string": "String", "bool": "Boolean"}
GRAPH = "model.onnx"


@dataclass(frozen=True)
class Entry:
    """A contestant on disk: its folder, and the command that starts it there; {port} is still to be filled in."""

    contestant: Contestant
    folder: Path
    command: tuple[str, ...]
    slots: str
    work_command: tuple[str, ...] = ()
    """The same for the cases that are no prediction; empty where it takes no part in them."""
    edited: tuple[tuple[str, str], ...] = ()
    """Files that were kept and are not as they are written here, each with a digest."""


def write_contestants(
    contestants: Sequence[Contestant],
    subject: Subject,
    environments: dict[str, Environment],
    out: Path,
    slots: int,
    keep: bool = False,
) -> list[Entry]:
    """One folder for each below `out`. Code that is there already is replaced, unless it is to be kept, edits and all."""
    return [_write(contestant, subject, environments, out / contestant.name, slots, keep) for contestant in contestants]


def able(contestants: Sequence[Contestant], subject: Subject) -> tuple[tuple[Contestant, ...], Subject]:
    """Those who can serve this model, and the subject with a note on each who cannot."""
    if isinstance(subject.graph, Graph):
        return tuple(contestants), subject
    left = [f"{c.title} takes no part: {subject.graph}." for c in contestants if c.compiled]
    return tuple(c for c in contestants if not c.compiled), replace(subject, notes=(*subject.notes, *left))


def _write(
    contestant: Contestant,
    subject: Subject,
    environments: dict[str, Environment],
    folder: Path,
    slots: int,
    keep: bool,
) -> Entry:
    folder.mkdir(parents=True, exist_ok=True)
    edited: list[tuple[str, str]] = []
    values = {"slots": str(slots), "artifact": str(subject.artifact), "python": sys.executable, "port": "{port}"}
    if contestant.environment:
        values["bin"] = str(environments[contestant.environment].folder / "bin")
        code = graph_code(subject) if contestant.compiled else model_code(subject)
        edited += _put(folder / "model.py", code, keep)
        if contestant.compiled and isinstance(subject.graph, Graph):
            shutil.copyfile(subject.graph.path, folder / GRAPH)
        for name, template in contestant.files:
            shutil.copyfile(HERE / "templates" / f"{template}.template", folder / name)
        edited += _put(folder / "app.py", app_code(contestant, subject, slots), keep)
    flags = subject.serve_flags
    command = _command(contestant.command, values, flags)
    work_command: tuple[str, ...] = ()
    if not contestant.only_cases:
        _write_script(folder, "start.sh", command)
    if contestant.work_template:
        edited += write_work(contestant, folder, slots, keep)
        as_work = ["work:app" if word == "app:app" else word for word in contestant.command if word != "{flags}"]
        work_command = _command(as_work, values | {"artifact": "work.py"}, ())
        work_command += ("--standby", "off") if "serve" in contestant.command else ()
        _write_script(folder, "start_work.sh", work_command)
        command = work_command if contestant.only_cases else command
    return Entry(contestant, folder, command, contestant.slots.format(slots=slots), work_command, tuple(edited))


def write_work(contestant: Contestant, folder: Path, slots: int, keep: bool = False) -> list[tuple[str, str]]:
    """The application of a contestant for the cases that are no prediction, and the functions that it serves.

    Returns those that were kept and are edited.
    """
    code = _filled(contestant.work_template, threads=str(contestant.threads or slots))
    return [*_put(folder / "tasks.py", _filled("tasks"), keep), *_put(folder / "work.py", code, keep)]


def _put(path: Path, code: str, keep: bool) -> list[tuple[str, str]]:
    """Write a file; of one that is kept and is another, return its name and a digest."""
    there = path.read_bytes() if keep and path.exists() else None
    if there is None:
        path.write_text(code, encoding="utf-8")
    if there in (None, code.encode()):
        return []
    return [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()[:12])]


def _command(parts: Sequence[str], values: dict[str, str], flags: Sequence[str]) -> tuple[str, ...]:
    words = [flags if part == "{flags}" else (part.format(**values),) for part in parts]
    return tuple(word for group in words for word in group)


def _write_script(folder: Path, name: str, command: Sequence[str]) -> None:
    """It starts where it lies, so that the folder may be moved."""
    script = shlex.join(command).replace("{port}", "8000")
    (folder / name).write_text(f'#!/bin/sh\ncd "$(dirname "$0")" && exec {script}\n', encoding="utf-8")
    (folder / name).chmod(0o755)


def app_code(contestant: Contestant, subject: Subject, slots: int) -> str:
    """The application of a contestant."""
    output = subject.described["outputs"][0]
    answer = [f"    prediction: {PYTHON_TYPES.get(output['type'], 'Any')}"]
    answer += ["    probabilities: dict[str, float]"] if output.get("probabilities") else []
    return _filled(
        contestant.template,
        threads=str(contestant.threads or slots),
        pydantic_fields="\n".join(_pydantic_field(f, n) for n, f in enumerate(subject.fields)),
        pydantic_answer="\n".join(answer),
        restx_fields="\n".join(_restx_field(f) for f in subject.fields),
        struct_fields="\n".join(_struct_field(f, n) for n, f in enumerate(subject.fields)),
        struct_answer="\n".join(answer),
    )


def model_code(subject: Subject) -> str:
    """What loads the model, the same file for all. Rows of numbers are handed over as an array, which is faster than a table."""
    numeric = all(f["type"] in ("float", "int") and not f["nullable"] for f in subject.fields)
    output = subject.described["outputs"][0]
    if output.get("probabilities"):
        classes = "CLASSES = [str(name) for name in MODEL.classes_]\n"
        answers = (
            "    table = MODEL.predict_proba(rows).tolist()\n"
            "    return [\n"
            '        {"prediction": label, "probabilities": dict(zip(CLASSES, row, strict=True))}\n'
            "        for label, row in zip(labels, table, strict=True)\n"
            "    ]"
        )
    else:
        classes, answers = "", '    return [{"prediction": label} for label in labels]'
    rows = "np.array([[record[name] for name in FIELDS] for record in records])"
    return _filled(
        "model",
        imports="import numpy as np\n" if numeric else "import pandas as pd\n",
        fields=_names(subject),
        artifact=str(subject.artifact),
        classes=classes,
        rows=rows if numeric else "pd.DataFrame(records, columns=FIELDS)",
        answers=answers,
    )


def graph_code(subject: Subject) -> str:
    """The same for the graph that Modelport has compiled."""
    graph = subject.graph
    assert isinstance(graph, Graph)
    return _filled(
        "model_onnx",
        fields=_names(subject),
        graph=GRAPH,
        classes=class_code(graph),
        answers=answer_code(graph),
    )


def _names(subject: Subject) -> str:
    return "[\n" + "".join(f"    {_quoted(f['name'])},\n" for f in subject.fields) + "]"


def _filled(template: str, **values: str) -> str:
    text = (HERE / "templates" / f"{template}.py.template").read_text(encoding="utf-8")
    return Template(text).substitute(values)


def _pydantic_field(field: dict[str, Any], number: int) -> str:
    """A name that Python or Pydantic would not take becomes an alias."""
    name, kind = field["name"], PYTHON_TYPES[field["type"]]
    kind = f"{kind} | None" if field["nullable"] else kind
    usable = name.isidentifier() and not iskeyword(name) and not name.startswith(("_", "model_"))
    if usable and name not in RESERVED:
        return f"    {name}: {kind}"
    return f"    field_{number}: {kind} = Field(alias={_quoted(name)})"


def _struct_field(field: dict[str, Any], number: int) -> str:
    name, kind = field["name"], PYTHON_TYPES[field["type"]]
    kind = f"{kind} | None" if field["nullable"] else kind
    if name.isidentifier() and not iskeyword(name) and not name.startswith("_"):
        return f"    {name}: {kind}"
    return f"    field_{number}: {kind} = msgspec.field(name={_quoted(name)})"


def _restx_field(field: dict[str, Any]) -> str:
    required = "" if field["nullable"] else "required=True"
    return f"        {_quoted(field['name'])}: fields.{RESTX_TYPES[field['type']]}({required}),"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
