"""Everything that was read of an application, put together: what rules and the writer of `service.py` look at."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from modelport.adopt.apps import App, Apps, find_apps
from modelport.adopt.facts import Finding, Level, ModelFile, Place
from modelport.adopt.features import UNKNOWN, Features, read_features
from modelport.adopt.flow import Scope, reached
from modelport.adopt.models import PREDICTS, TRANSFORMS, find_models, key_of
from modelport.adopt.project import Project, read_project
from modelport.adopt.routes import Handler, find_handlers
from modelport.adopt.source import Source, argument


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """One call of a method of a loaded model within what a handler runs."""

    handler: Handler
    scope: Scope
    call: ast.Call
    method: str
    model: ModelFile | None
    features: Features


@dataclass(slots=True)
class Analysis:
    """An application as it was read."""

    project: Project
    apps: Apps
    handlers: list[Handler]
    models: list[ModelFile]
    scopes: dict[Handler, list[Scope]] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def main(self) -> App | None:
        """The application that is served."""
        return self.apps.main

    @property
    def entry(self) -> Source:
        """The file that was named."""
        return self.project.entry

    def found(self, rule: str, level: Level, source: Source, node: ast.AST, said: tuple[str, str]) -> None:
        """Keep a finding, once for each line."""
        finding = Finding(rule, level, Place(source.shown, getattr(node, "lineno", 1)), *said)
        if not any((f.rule, f.place) == (rule, finding.place) for f in self.findings):
            self.findings.append(finding)

    def name(self, source: Source, node: ast.AST | None) -> str:
        """The full name of an expression."""
        return self.project.full_name(source, node)

    def calls(self) -> Iterator[tuple[Source, ast.Call, str]]:
        """Every call of every file, with the full name of what it calls."""
        for source in self.project:
            for call in source.calls():
                yield source, call, self.name(source, call.func)


def analyse(path: Path) -> Analysis:
    """Read an application. Raises SetupError where its file cannot be read."""
    project = read_project(path)
    apps = find_apps(project)
    handlers = find_handlers(apps)
    analysis = Analysis(project, apps, handlers, find_models(project, handlers))
    for handler in handlers:
        analysis.scopes[handler] = reached(project, handler.source, handler.function)
        for scope in analysis.scopes[handler]:
            analysis.uses += _uses(analysis, handler, scope)
    return analysis


def _uses(analysis: Analysis, handler: Handler, scope: Scope) -> Iterator[Use]:
    for call in scope.calls():
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in (*PREDICTS, *TRANSFORMS):
            continue
        model = _model(analysis, handler, scope, call.func.value)
        position = 1 if call.func.attr == "run" else 0
        if model is None and call.func.attr not in ("predict", "predict_proba"):
            continue
        argument = (
            call.args[position]
            if len(call.args) > position
            else next((k.value for k in call.keywords if k.arg == "X"), None)
        )
        features = read_features(scope, argument) if argument is not None else UNKNOWN
        yield Use(handler, scope, call, call.func.attr, model, features)


def _model(analysis: Analysis, handler: Handler, scope: Scope, node: ast.expr) -> ModelFile | None:
    """The loaded file behind the owner of a method."""
    keys = {key_of(analysis.project, scope.source, node)}
    if isinstance(node, ast.Name) and (value := scope.value(node)) is not None:
        if isinstance(value, ast.Call):
            made = analysis.name(scope.source, value.func)
            keys |= _returned(analysis, made)
            keys |= {
                made,
                key_of(analysis.project, scope.source, value.func) if isinstance(value.func, ast.Name) else "",
            }
            loaded = [m for m in analysis.models if m.place == Place(scope.source.shown, value.lineno)]
            if loaded:
                return loaded[0]
        else:
            keys.add(key_of(analysis.project, scope.source, value))
    if isinstance(node, ast.Name) and node.id in scope.parameters:
        depended = _depended(analysis, scope, node.id)
        keys |= {depended, *_returned(analysis, depended), *_passed(analysis, handler, scope, node.id)}
    found = [m for m in analysis.models if m.key and m.key in keys]
    return found[0] if found else None


def _returned(analysis: Analysis, name: str) -> set[str]:
    """What a function of the application returns, as far as that has a name."""
    found = analysis.project.function(name)
    if found is None:
        return set()
    returns = (n.value for n in ast.walk(found[1]) if isinstance(n, ast.Return) and n.value is not None)
    return {key_of(analysis.project, found[0], value) for value in returns}


def _passed(analysis: Analysis, handler: Handler, scope: Scope, name: str) -> set[str]:
    """What the functions that a handler runs hand over for a parameter."""
    place = list(scope.parameters).index(name)
    full = f"{scope.source.module}.{scope.function.name}"
    found: set[str] = set()
    for caller in analysis.scopes[handler]:
        for call in caller.calls():
            if analysis.name(caller.source, call.func) == full:
                given = argument(call, name, place)
                found |= {key_of(analysis.project, caller.source, given)} if given is not None else set()
    return found - {""}


def _depended(analysis: Analysis, scope: Scope, name: str) -> str:
    """The function that FastAPI asks for a parameter: `model = Depends(get_model)`."""
    arguments = scope.function.args
    defaults = dict(zip([a.arg for a in arguments.args][::-1], arguments.defaults[::-1], strict=False))
    given = defaults.get(name)
    if isinstance(given, ast.Call) and given.args and scope.source.called(given).endswith("Depends"):
        return analysis.name(scope.source, given.args[0])
    return ""
