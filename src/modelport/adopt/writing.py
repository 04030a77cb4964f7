"""The text of `service.py`: models by file, routes that have moved, and the application mounted for all the rest."""

from __future__ import annotations

import ast
import keyword
import os
import re
from collections.abc import Iterator
from pathlib import Path

from modelport.adopt.analysis import Analysis
from modelport.adopt.facts import ModelFile, Report
from modelport.adopt.moving import Move, plan_move
from modelport.errors import SetupError
from modelport.kernel.names import suggest_name

_MOUNT = 'service.mount("/", app)'
_TAKEN = {"app", "old", "service", "answer", "body", "Any", "Field", "BaseModel", "Service"}


def plan_service(report: Report, analysis: Analysis) -> list[Move]:
    """Decide for each route whether it moves, and keep the reason in the report where it stays."""
    moves: list[Move] = []
    for route, handler in zip(report.routes, analysis.handlers, strict=True):
        planned = plan_move(analysis, handler)
        if isinstance(planned, Move):
            planned = _beside(planned, moves)
        if isinstance(planned, Move):
            moves.append(planned)
            route.moved = True
        elif planned is not None:
            route.stays = planned
    return moves


def _beside(move: Move, others: list[Move]) -> Move | str:
    """The same under names that no route before it has; a reason to stay where that cannot be had."""
    constants = {name: ast.dump(value) for other in others for name, value in other.constants.items()}
    clash = next(
        (n for n, value in move.constants.items() if constants.get(n, ast.dump(value)) != ast.dump(value)), None
    )
    if clash:
        return f"{clash} has another value there than in a route that moved before"
    taken = {other.name for other in others} | _TAKEN | set(constants) | set(move.constants)
    while move.name in taken:
        move.name += "_route"
    return move


def default_path(analysis: Analysis) -> Path:
    """Where the service is written if nobody says: where the app's own imports start from."""
    path = analysis.project.root / "service.py"
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def write_service(path: Path, text: str, analysis: Analysis, force: bool) -> None:
    """Write the file. Raises SetupError where something is there already, or it cannot be written."""
    if any(path.absolute() == source.path.absolute() for source in analysis.project):
        raise SetupError(f"{path} is a file of the app itself: give another with  --write PATH")
    if path.exists() and not force:
        raise SetupError(f"{path} is there already: add --force to replace it, or give another with  --write PATH")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}") from None


def service_text(report: Report, analysis: Analysis, moves: list[Move], path: Path) -> str:
    """The whole file."""
    models = _models(report)
    names = _names(models, moves)
    inside = any(move.inside for move in moves)
    blocks = [
        _head(report),
        _imports(analysis, moves),
        "\n".join(_service(report, models, names, path, inside)),
        *(f"{name} = {ast.unparse(value)}" for name, value in _constants(moves).items()),
    ]
    text = "\n\n".join(blocks)
    for move in moves:
        text += "\n\n\n" + "\n".join(_route(move, names[id(move.model)]))
    stays = "".join(f"{line}\n" for line in _stays(report))
    last = stays if inside else f"{stays}{_MOUNT}\n"
    return text + (("\n\n\n" if moves else "\n\n") + last if last else "\n")


def _head(report: Report) -> str:
    moved = [f"{'|'.join(r.methods)} {r.path}" for r in report.routes if r.moved]
    said = f"Moved here: {', '.join(moved)}." if moved else "No route has moved here yet."
    title = f"Serves {Path(report.app).name} with Modelport:  modelport serve service.py"
    return f'"""{title}\n\n{said} Every other route is answered by the app, unchanged.\n"""'


def _imports(analysis: Analysis, moves: list[Move]) -> str:
    lines = ["from typing import Any", ""] if moves else []
    own = any(move.body_class is None for move in moves)
    aliased = any(name != key for move in moves if move.body_class is None for name, key, _ in move.fields)
    lines += [f"from pydantic import BaseModel{', Field' if aliased else ''}", ""] if own else []
    lines += ["from modelport import Service", "", *_app_import(analysis)]
    classes = sorted({c for move in moves for c in (move.body_class, move.answer_class) if c})
    lines += [f"from {module} import {name}" for module, name in classes]
    return "\n".join(lines)


def _app_import(analysis: Analysis) -> list[str]:
    """How the application comes into this file: by its name, or from its factory."""
    main, entry = analysis.main, analysis.entry
    if main is None:
        return []
    if not main.factory:
        imported = main.variable if main.variable == "app" else f"{main.variable} as app"
        return [f"from {main.source.module} import {imported}"]
    factory = f"{main.source.module}.{main.factory}"
    for node in entry.tree.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and analysis.name(entry, getattr(node.value, "func", None)) == factory
        ):
            name = node.targets[0].id
            return [f"from {entry.module} import {name}" + ("" if name == "app" else " as app")]
    return [f"from {main.source.module} import {main.factory}", "", f"app = {main.factory}()"]


def _models(report: Report) -> list[ModelFile]:
    """Files that can be served, each once."""
    found = {m.path: m for m in report.models if m.path is not None and m.stored is not None and m.stored.fields}
    return list(found.values())


def _names(models: list[ModelFile], moves: list[Move]) -> dict[int, str]:
    """Variables for the models, which neither a moved route nor a name in one may hide."""
    hidden = {name for move in moves for name in (move.name, move.answer, move.body, *move.assigned, *move.constants)}
    names: dict[int, str] = {}
    for model in models:
        stem = re.sub(r"\W+", "_", Path(model.written or "model").name.split(".")[0]).strip("_").lower() or "model"
        name = f"model_{stem}" if stem in _TAKEN | hidden or stem[0].isdigit() or keyword.iskeyword(stem) else stem
        while name in names.values() or name in hidden:
            name += "_"
        names[id(model)] = name
    return names


def _service(report: Report, models: list[ModelFile], names: dict[int, str], path: Path, inside: bool) -> Iterator[str]:
    yield f'service = Service("{suggest_name(Path(report.app).resolve().parent.name) or "service"}")'
    for model in models:
        file = Path(os.path.relpath(model.path or "", path.absolute().parent)).as_posix()
        yield f'{names[id(model)]} = service.model("{suggest_name(names[id(model)])}", {file!r})'.replace("'", '"')
    left = [m for m in report.models if m.role == "model" and not (m.stored and m.stored.fields)]
    for model in left:
        why = model.stored.refused or model.stored.error if model.stored else "it is not there"
        said = " ".join((why or "of a kind that is not read").split())
        yield f"# {model.written or model.variable} is not served by Modelport yet: {said}"
    if inside:
        yield f"old = {_MOUNT}  # routes declared on it run inside it: its hooks run around them"


def _constants(moves: list[Move]) -> dict[str, ast.expr]:
    return {name: value for move in moves for name, value in move.constants.items()}


def _route(move: Move, model: str) -> Iterator[str]:
    handler = move.handler
    cls = move.body_class[1] if move.body_class else "".join(p.title() for p in move.name.split("_")) + "Body"
    if move.body_class is None:
        yield f"class {cls}(BaseModel):"
        yield f'    """What {Path(move.model.written or "").name} takes, in its order."""'
        yield ""
        for name, key, kind in move.fields:
            yield f"    {name}: {kind}" + (f" = Field(alias={_quoted(key)})" if name != key else "")
        yield ""
        yield ""
    declared = f", response_model={move.answer_class[1]}" if move.answer_class else ""
    yield f'@{"old" if move.inside else "service"}.post("{handler.path}"{declared})'
    yield f"async def {move.name}({move.body}: {cls}) -> Any:"
    place = f"{Path(handler.source.shown).name}:{handler.function.lineno}"
    yield f'    """Was {handler.function.name} in {place}; joins the micro-batches of {model}."""'
    yield from (f"    # {note}" for note in move.notes)
    yield f"    {move.answer} = await {model}("
    yield "        {"
    yield from (f"            {_quoted(name)}: {value}," for name, value in move.record)
    yield "        }"
    yield "    )"
    module = ast.fix_missing_locations(ast.Module([s for s in move.tail if not isinstance(s, ast.Pass)], []))
    yield from (f"    {_double_quoted(line)}" for line in ast.unparse(module).splitlines())


def _double_quoted(line: str) -> str:
    """As formatters write it, where that changes nothing."""
    return line if '"' in line or "\\\\" in line else line.replace("'", '"')


def _quoted(text: str) -> str:
    return f'"{text}"' if text.isprintable() and '"' not in text and "\\" not in text else repr(text)


def _stays(report: Report) -> Iterator[str]:
    """Why routes that predict have stayed."""
    for route in report.routes:
        if route.stays:
            yield f"# {'|'.join(route.methods)} {route.path} stays with the app: {' '.join(route.stays.split())}."
