"""From a file to a report."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

from modelport.adopt.analysis import Analysis, analyse
from modelport.adopt.answers import read_answers
from modelport.adopt.facts import LEVELS, Input, ModelFile, Place, Report, Route, Stored
from modelport.adopt.features import Features
from modelport.adopt.inputs import read_inputs
from modelport.adopt.models import PREDICTS
from modelport.adopt.routes import Handler
from modelport.adopt.rules import RULES
from modelport.errors import SetupError


def read_app(path: Path) -> tuple[Report, Analysis]:
    """What is found of an application in `path`, without running anything of it.

    Raises SetupError where the file cannot be read, or holds no Flask or FastAPI application.
    """
    analysis = analyse(path)
    main = analysis.main
    if main is None:
        raise SetupError(
            f"{path} makes no Flask or FastAPI application, and neither does what it imports from beside it: "
            "give the file with  app = Flask(__name__)  or  app = FastAPI()"
        )
    for model in analysis.models:
        model.stored = _stored(model)
        model.role = _role(analysis, model)
    for rule in RULES:
        rule(analysis)
    files = tuple(source.shown for source in analysis.project)
    report = Report(str(path), main.framework, main.variable, files)
    report.routes = [_route(analysis, handler) for handler in analysis.handlers]
    report.models = analysis.models
    order = list(LEVELS)
    report.findings = sorted(analysis.findings, key=lambda f: (order.index(f.level), f.place, f.rule))
    report.notes = [f"not read: {reason}" for reason in analysis.project.unread]
    return report, analysis


def _stored(model: ModelFile) -> Stored | None:
    from modelport.assembly.stored import describe_stored, served_signature

    if model.path is None:
        return None
    known = {f.name for f in dataclasses.fields(Stored)}
    found = describe_stored(model.path).items()
    told: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in found if k in known}
    stored = Stored(**told)
    if not stored.error:
        served = served_signature(model.path)
        stored.fields = tuple((name, kind) for name, kind in served.get("fields", ()))
        stored.task, stored.refused = served.get("task", ""), served.get("refused", "")
        stored.probabilities, stored.outputs = bool(served.get("probabilities")), served.get("outputs", 1)
        stored.classes = tuple(served.get("classes", ())) or stored.classes
    return stored


def _role(analysis: Analysis, model: ModelFile) -> str:
    """model, transformer or helper: by what is done with it, else by what it is."""
    methods = {use.method for use in analysis.uses if use.model is model}
    stored = model.stored
    if methods & set(PREDICTS):
        return "model"
    if methods:
        return "transformer"
    if stored and stored.task:
        return "model"
    if (
        stored
        and stored.features
        and stored.cls in ("list", "tuple", "numpy.ndarray", "numpy._core.multiarray._reconstruct")
    ):
        return "list of names"
    if model.loader in ("joblib.load", "pickle.load", "pickle.loads"):
        return "file"
    return "data" if model.loader.startswith("pandas") else "model"


def _route(analysis: Analysis, handler: Handler) -> Route:
    scopes = analysis.scopes[handler]
    uses = [use for use in analysis.uses if use.handler is handler]
    predictions = [use for use in uses if use.method in PREDICTS]
    best = next((use.features for use in predictions if use.features.order), None)
    return Route(
        handler.path,
        handler.methods,
        handler.function.name,
        Place(handler.source.shown, handler.function.lineno),
        _inputs(analysis, handler, best),
        read_answers(scopes[0]),
        tuple(dict.fromkeys(use.model.variable if use.model else "?" for use in predictions)),
        _shown(best),
        best.order if best else "",
    )


def _inputs(analysis: Analysis, handler: Handler, features: Features | None) -> tuple[Input, ...]:
    """With the names that only the features tell: those of a loop over a list."""
    found = read_inputs(analysis.project, handler, analysis.scopes[handler])
    if features is None or features.order != "code":
        return found
    return tuple(
        replace(entry, names=tuple(v.key for v in features.values if v.source == entry.source))
        if not entry.names
        else entry
        for entry in found
    )


def _shown(features: Features | None) -> tuple[str, ...]:
    if features is None:
        return ()
    named = [c or v.key for c, v in zip(features.columns, features.values, strict=False)]
    return tuple(named or [value.key for value in features.values])
