"""The files themselves: what is stored in them, and how, when and from where they are loaded."""

from __future__ import annotations

import ast

from modelport.adopt.analysis import Analysis
from modelport.adopt.facts import Finding, Level, ModelFile
from modelport.adopt.paths import WORKING

Version = tuple[int, ...]
_AGAIN = "run  modelport rescue  on it, which serves it as the version that saved it answers; or train again"

SILENT = (
    (("TfidfVectorizer", "TfidfTransformer"), (1, 0), (1, 4), "its IDF weights are dropped without a word"),
    (
        ("AdaBoostClassifier",),
        (1, 3),
        (1, 4),
        "its predicted classes change: the algorithm that it was fitted with is gone",
    ),
    (
        ("DecisionTreeClassifier", "RandomForestClassifier", "ExtraTreesClassifier", "ExtraTreeClassifier"),
        (1, 3),
        (1, 3),
        "predict_proba counts samples, and some predicted classes change",
    ),
)
"""Parts, the versions that saved them, and what scikit-learn 1.9 then does without an error; measured on saved files."""


def check_artifacts(analysis: Analysis) -> None:
    """What is in the files."""
    for model in analysis.models:
        stored = model.stored
        if model.path is None and model.written is not None:
            said = (
                f"{model.written} is not there",
                "put the file where the app looks for it; models are often kept out of Git",
            )
            _keep(analysis, model, "missing-file", "breaks", said)
        elif stored and stored.error:
            _keep(
                analysis,
                model,
                "unreadable-file",
                "breaks",
                (stored.error, "fetch the file anew, or save the model again"),
            )
        elif stored and stored.joblib and model.loader in ("pickle.load", "pickle.loads"):
            said = (
                f"{model.written} was written by joblib: pickle.load fails, or gives one of its arrays in place of the model",
                f"write  joblib.load({model.written!r})",
            )
            _keep(analysis, model, "pickle-of-joblib", "breaks", said)
        if stored and stored.version:
            _check_version(analysis, model, stored.version)


def _check_version(analysis: Analysis, model: ModelFile, version: str) -> None:
    from modelport.assembly.artifacts import installed_version

    installed = installed_version("scikit-learn")
    stored = model.stored
    if not installed or stored is None or _numbers(version) == _numbers(installed):
        return
    head = f"{model.written} was saved by scikit-learn {version}; installed is {installed}"
    names = {part.rpartition(".")[2] for part in (stored.cls, *stored.parts)}
    silent = next(
        (why for parts, low, high, why in SILENT if names & set(parts) and low <= _numbers(version) <= high), ""
    )
    if silent:
        _keep(analysis, model, "old-artifact", "wrong", (f"{head}: {silent}", _AGAIN))
    elif stored.refused and "extra" not in stored.refused and model.role != "transformer":
        _keep(analysis, model, "old-artifact", "breaks", (f"{head}, which does not load it: {stored.refused}", _AGAIN))
    else:
        said = (
            f"{head}: nobody promises that it loads, or answers as it did",
            f"compare its answers with known ones; {_AGAIN}",
        )
        _keep(analysis, model, "old-artifact", "risk", said)


def _numbers(version: str) -> Version:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


_WHEN: dict[str, tuple[str, Level, str, str]] = {
    "main": (
        "loaded-under-main",
        "breaks",
        'is loaded only under  if __name__ == "__main__": Gunicorn and Uvicorn import the file and never load it',
        "load it at the top of the file, or in create_app() or a lifespan function",
    ),
    "request": (
        "loaded-per-request",
        "risk",
        "is loaded anew for every request",
        "load it once, at the top of the file or in a lifespan function",
    ),
    "import": (
        "loaded-at-import",
        "note",
        "is loaded when the file is imported: every worker holds a copy, and tests load it, too",
        "Modelport loads it once for all workers; nothing to do if one process serves",
    ),
}


def check_loading(analysis: Analysis) -> None:
    """When files are loaded, and what their paths depend on."""
    for model in analysis.models:
        name = model.written or model.variable or "a model"
        if model.when in _WHEN and not (model.when == "import" and model.role == "data"):
            rule, level, what, remedy = _WHEN[model.when]
            _keep(analysis, model, rule, level, (f"{name} {what}", remedy))
        if model.relative_to == WORKING and model.written and "://" not in model.written:
            said = (
                f"{model.written} is looked up in the folder that the server was started from",
                f"write  Path(__file__).parent / {model.written!r}",
            )
            _keep(analysis, model, "relative-path", "risk", said)


_FITS = ("fit", "fit_transform", "partial_fit")


def check_training(analysis: Analysis) -> None:
    """Models that are trained while a client waits."""
    for handler, scopes in analysis.scopes.items():
        for scope in scopes:
            call = next(
                (c for c in scope.calls() if isinstance(c.func, ast.Attribute) and c.func.attr in _FITS and c.args),
                None,
            )
            if call is not None:
                what = f"{ast.unparse(call.func)}() trains at every request to {handler.path}: slow, and another model each time"
                remedy = "train once, in a script of its own, save all of it as one Pipeline, and load that"
                analysis.found("trained-per-request", "risk", scope.source, call, (what, remedy))


def _keep(analysis: Analysis, model: ModelFile, rule: str, level: Level, said: tuple[str, str]) -> None:
    finding = Finding(rule, level, model.place, *said)
    if finding not in analysis.findings:
        analysis.findings.append(finding)
