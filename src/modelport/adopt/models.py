"""The files that an application loads: which variable holds them, from where, and when."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from modelport.adopt.facts import ModelFile, Place
from modelport.adopt.flow import Scope
from modelport.adopt.paths import PathReader, locate
from modelport.adopt.project import Project
from modelport.adopt.routes import Handler
from modelport.adopt.source import Function, Source, argument, text_of

LOADERS = {
    **dict.fromkeys(("joblib.load", "sklearn.externals.joblib.load", "joblib.numpy_pickle.load"), "joblib.load"),
    **dict.fromkeys(
        ("pickle.load", "_pickle.load", "cPickle.load", "pickle5.load", "dill.load", "cloudpickle.load"), "pickle.load"
    ),
    **dict.fromkeys(("pickle.loads", "dill.loads", "cloudpickle.loads"), "pickle.loads"),
    "pandas.read_pickle": "pandas.read_pickle",
    "pandas.read_csv": "pandas.read_csv",
    "torch.load": "torch.load",
    "torch.jit.load": "torch.jit.load",
    **dict.fromkeys(
        (
            "keras.models.load_model",
            "tensorflow.keras.models.load_model",
            "keras.saving.load_model",
            "tensorflow.saved_model.load",
        ),
        "keras load_model",
    ),
    **dict.fromkeys(("onnxruntime.InferenceSession",), "onnxruntime.InferenceSession"),
    "skops.io.load": "skops.io.load",
    "lightgbm.Booster": "lightgbm.Booster",
    "xgboost.Booster": "xgboost.Booster",
}
_DOWNLOADS = (
    *("keras.applications.", "tensorflow.keras.applications.", "torchvision.models.", "torch.hub.load"),
    *("transformers.pipeline", "tensorflow_hub.load", "sentence_transformers.SentenceTransformer", "spacy.load"),
)
"""What fetches a trained model by its name: there is no file to look into, but when it is done matters as much."""
_METHOD_LOADERS = ("load_model",)
_METHOD_OWNERS = ("xgboost.", "catboost.", "lightgbm.")
PREDICTS = (
    "predict",
    "predict_proba",
    "predict_classes",
    "decision_function",
    "predict_log_proba",
    "run",
    "score_samples",
)
TRANSFORMS = ("transform", "inverse_transform", "fit_transform")
_STARTUP = ("on_event", "lifespan", "before_first_request", "asynccontextmanager", "contextlib.asynccontextmanager")
_CACHES = ("lru_cache", "cache", "functools.lru_cache", "functools.cache", "cached_property", "st.cache_resource")


@dataclass(slots=True)
class Load:
    """One call that loads a file, and the name that its result ends up under."""

    call: ast.Call
    source: Source
    loader: str
    file: ast.expr | None
    target: ast.expr | None
    key: str


def find_models(project: Project, handlers: list[Handler]) -> list[ModelFile]:
    """Every file that is loaded, in the order of the text."""
    timing = Timing(project, handlers)
    found = [_model(project, load, timing) for source in project for load in _loads(project, source)]
    return [model for model in found if model.written or model.loader != "pandas.read_csv"]  # else it reads an upload


def _model(project: Project, load: Load, timing: Timing) -> ModelFile:
    source = load.source
    function = source.function_of(load.call)
    scope = Scope(project, source, function) if function else None
    found = PathReader(project, source, scope).read(load.file)
    place = Place(source.shown, load.call.lineno)
    variable = ast.unparse(load.target) if load.target is not None else ""
    model = ModelFile(
        variable, found[1] if found else None, load.loader, timing.of(source, load.call), place, key=load.key
    )
    if found:
        model.relative_to = found[0]
        model.path = locate(project, source, *found)
    return model


def _loads(project: Project, source: Source) -> Iterator[Load]:
    for call in source.calls():
        name = project.full_name(source, call.func)
        loader = LOADERS.get(name) or (
            "mlflow load_model" if name.startswith("mlflow.") and name.endswith(".load_model") else None
        )
        file = _file_argument(call, name)
        if loader and file is not None:
            yield from _load(project, source, call, loader, file)
        elif not loader and _is_download(name):
            yield from _load(project, source, call, f"{name.rpartition('.')[2]}()", None)
        elif isinstance(call.func, ast.Attribute) and call.func.attr in _METHOD_LOADERS and not loader and call.args:
            owner = _made_by(project, source, call.func.value)
            if owner.startswith(_METHOD_OWNERS):
                key = key_of(project, source, call.func.value)
                yield Load(call, source, f"{owner.partition('.')[0]} load_model", call.args[0], call.func.value, key)


def _is_download(name: str) -> bool:
    """Whether a call makes a model of a library's own, weights and all."""
    made = name.rpartition(".")[2]
    of_zoo = "applications." in name and not made[:1].isupper()  # its helpers begin with a small letter
    return name.endswith(".from_pretrained") or (name.startswith(_DOWNLOADS) and not of_zoo)


def _load(project: Project, source: Source, call: ast.Call, loader: str, file: ast.expr | None) -> Iterator[Load]:
    target = target_of(source, call)
    function = _returned_by(source, call)
    if function is not None and not _is_global(source, function, target):
        named = [(user, target_of(user, used)) for user, used in _users(project, f"{source.module}.{function.name}")]
        loads = [
            Load(call, source, loader, file, to, key_of(project, user, to)) for user, to in named if to is not None
        ]
        yield from loads or [
            Load(call, source, loader, file, ast.Name(function.name), f"{source.module}.{function.name}")
        ]
        return
    key = key_of(project, source, target) if target is not None else ""
    yield Load(call, source, loader, file, target, key)


def _is_global(source: Source, function: Function, target: ast.expr | None) -> bool:
    """Whether the function also leaves it in a name of the file."""
    declared = {name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names}
    return isinstance(target, ast.Attribute | ast.Subscript) or (isinstance(target, ast.Name) and target.id in declared)


def _users(project: Project, name: str) -> Iterator[tuple[Source, ast.Call]]:
    for source in project:
        yield from ((source, call) for call in source.calls() if project.full_name(source, call.func) == name)


def _file_argument(call: ast.Call, name: str) -> ast.expr | None:
    if name == "lightgbm.Booster" or name == "xgboost.Booster":
        return argument(call, "model_file")
    keyword = {"onnxruntime.InferenceSession": "path_or_bytes", "joblib.load": "filename"}.get(name, "file")
    given = argument(call, keyword, 0)
    return given or next((k.value for k in call.keywords if k.arg in ("f", "filepath", "path", "model_uri")), None)


def target_of(source: Source, call: ast.expr) -> ast.expr | None:
    """What a call's result is assigned to, if it is."""
    for above in source.above(call):
        if isinstance(above, ast.Assign):
            target = above.targets[0]
            if isinstance(target, ast.Tuple) and isinstance(above.value, ast.Tuple):
                at = next((n for n, v in enumerate(above.value.elts) if v is call), None)
                return target.elts[at] if at is not None else None
            return target
        if isinstance(above, ast.AnnAssign | ast.NamedExpr):
            return above.target
        if isinstance(above, ast.stmt) and not isinstance(above, ast.With):
            return None
    return None


def _returned_by(source: Source, call: ast.Call) -> Function | None:
    """The function that returns what is loaded here, at once or through a name."""
    function = source.function_of(call)
    if function is None or any(isinstance(a, ast.Return) for a in source.above(call)):
        return function
    target = target_of(source, call)
    names = {n.value.id for n in ast.walk(function) if isinstance(n, ast.Return) and isinstance(n.value, ast.Name)}
    return function if isinstance(target, ast.Name) and target.id in names else None


def key_of(project: Project, source: Source, target: ast.expr) -> str:
    """One name for what is assigned in one place and used in another."""
    if isinstance(target, ast.Name):
        function = source.function_of(target)
        while function is not None:
            if Scope(project, source, function).is_local(target.id):
                return f"{source.module}.{function.name}.{target.id}"
            function = source.function_of(function)
        return project.full_name(source, target) if target.id in source.names else f"{source.module}.{target.id}"
    if isinstance(target, ast.Subscript):
        return f"{key_of(project, source, target.value)}[{ast.unparse(target.slice)}]"
    if isinstance(target, ast.Attribute):
        text = ast.unparse(target)
        if text.startswith("self."):
            cls = next((a.name for a in source.above(target) if isinstance(a, ast.ClassDef)), "")
            return f"{source.module}.{cls}.{target.attr}"
        state = text.partition(".state.")[2]
        return f"state.{state}" if state else project.full_name(source, target)
    return ""


def _made_by(project: Project, source: Source, node: ast.expr) -> str:
    """The full name of the class that a name was made of."""
    if isinstance(node, ast.Call):
        return project.full_name(source, node.func)
    function = source.function_of(node)
    if function is not None and isinstance(node, ast.Name):
        value = Scope(project, source, function).value(node)
        if isinstance(value, ast.Call):
            return project.full_name(source, value.func)
    found = project.value(project.full_name(source, node))
    return project.full_name(found[0], found[1].func) if found and isinstance(found[1], ast.Call) else ""


class Timing:
    """When a piece of code runs."""

    def __init__(self, project: Project, handlers: list[Handler]) -> None:
        self._project = project
        self._handlers = {handler.function for handler in handlers}
        self._callers: dict[str, list[tuple[Source, ast.Call]]] = {}
        self._at_startup: set[str] = set()
        for source in project:
            for call in source.calls():
                self._callers.setdefault(project.full_name(source, call.func), []).append((source, call))
                if isinstance(call.func, ast.Attribute) and call.func.attr == "add_event_handler":
                    self._note_start(source, call)

    def _note_start(self, source: Source, call: ast.Call) -> None:
        handler = argument(call, "func", 1)
        name = handler.func if isinstance(handler, ast.Call) else handler
        if text_of(argument(call, "event_type", 0)) == "startup" and name is not None:
            self._at_startup.add(self._project.full_name(source, name))
            if isinstance(name, ast.Name):
                self._at_startup.add(f"{source.module}.{name.id}")

    def of(self, source: Source, node: ast.AST, seen: frozenset[Function] = frozenset()) -> str:
        """import, main, startup, request, lazily, or empty where nobody seems to run it."""
        function = source.function_of(node)
        if function is None:
            return "main" if source.under_main(node) else "import"
        if _lazy(source, node, function):
            return "lazily"
        if function in self._handlers:
            return "request"
        if _starts(function) or self._is_start_handler(source, function):
            return "startup"
        if function in seen:
            return ""
        called = self._callers_of(source, function)
        whens = {self.of(user, call, seen | {function}) for user, call in called} - {""}
        return next((when for when in ("request", "lazily", "import", "startup", "main") if when in whens), "")

    def _callers_of(self, source: Source, function: Function) -> list[tuple[Source, ast.Call]]:
        """Who calls it; of a constructor, who makes the class; of any other method, which methods of its class."""
        cls = next((above for above in source.above(function) if isinstance(above, ast.ClassDef)), None)
        if cls is None or function.name == "__init__":
            return self._callers.get(f"{source.module}.{cls.name if cls else function.name}", [])
        return [(source, call) for call in source.calls(cls) if ast.unparse(call.func) == f"self.{function.name}"]

    def _is_start_handler(self, source: Source, function: Function) -> bool:
        """Whether `add_event_handler("startup", …)` is given it, or what the function around it returns."""
        names = {f"{source.module}.{function.name}"}
        names |= {f"{source.module}.{above.name}" for above in source.above(function) if isinstance(above, Function)}
        return bool(names & self._at_startup)


def _starts(function: Function) -> bool:
    names = [ast.unparse(d.func if isinstance(d, ast.Call) else d) for d in function.decorator_list]
    return any(name.rpartition(".")[2] in _STARTUP for name in names) or function.name == "lifespan"


def _lazy(source: Source, node: ast.AST, function: Function) -> bool:
    """Whether it runs once: a cache, or an `if … is None` around it."""
    cached = any(ast.unparse(d.func if isinstance(d, ast.Call) else d) in _CACHES for d in function.decorator_list)
    tests = [a.test for a in source.above(node) if isinstance(a, ast.If)]
    return cached or any(_asks_for_nothing(test) for test in tests)


def _asks_for_nothing(test: ast.expr) -> bool:
    if isinstance(test, ast.Compare):
        return isinstance(test.ops[0], ast.Is | ast.Eq | ast.NotIn) and (
            isinstance(test.ops[0], ast.NotIn)
            or (isinstance(test.comparators[0], ast.Constant) and test.comparators[0].value is None)
        )
    return (
        isinstance(test, ast.UnaryOp)
        and isinstance(test.op, ast.Not)
        and isinstance(test.operand, ast.Name | ast.Attribute)
    )
