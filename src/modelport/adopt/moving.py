"""Whether a route can move into a service and do what it did: what it takes, how it calls the model, what it answers."""

from __future__ import annotations

import ast
import keyword
import re
from dataclasses import dataclass, field

from modelport.adopt.analysis import Analysis, Use
from modelport.adopt.facts import ModelFile
from modelport.adopt.features import Feature, Features
from modelport.adopt.inputs import class_of, read_inputs
from modelport.adopt.models import PREDICTS
from modelport.adopt.rewriting import CannotMove, Rewriter
from modelport.adopt.routes import RESOURCE, Handler
from modelport.adopt.rules.order import permuted, plain_name
from modelport.adopt.source import Source, argument

_HOOKS = (
    "before_request",
    "after_request",
    "teardown_request",
    "before_app_request",
    "after_app_request",
    "middleware",
    "url_value_preprocessor",
    "add_middleware",
)
_STATE = re.compile(
    r"^(flask\.(session|g|current_app|flash)\b|flask_login\.|flask_jwt_extended\.|flask\.request\.(cookies|headers|authorization))"
)
_HARMLESS = frozenset(
    {
        *("path", "rule", "methods", "endpoint", "name", "response_model", "tags", "summary", "description"),
        *(
            "response_description",
            "operation_id",
            "include_in_schema",
            "deprecated",
            "strict_slashes",
            "responses",
            "view_func",
        ),
    }
)
"""Of a route's decorator: what says nothing of who may call it, or what it answers."""
_RUNNERS = ("uvicorn.run", "waitress.serve", "print")
_JOINED = ("register_blueprint", "include_router", "mount")
_TYPES = {"float": "float", "int": "int", "bool": "bool", "string": "str"}


@dataclass(slots=True)
class Move:
    """A route as it will stand in the service. `fields` are name in Python, name in the body, and type, in the model's order."""

    handler: Handler
    model: ModelFile
    fields: list[tuple[str, str, str]]
    record: list[tuple[str, str]]
    """Each input of the model with the expression that gives it."""
    tail: list[ast.stmt]
    constants: dict[str, ast.expr]
    body_class: tuple[str, str] | None = None
    """Module and name of the class that the application has for the body already."""
    answer_class: tuple[str, str] | None = None
    notes: list[str] = field(default_factory=list)
    inside: bool = False
    """Whether it is declared on the mounted application, whose hooks then run around it."""
    answer: str = "answer"
    body: str = "body"
    name: str = ""

    @property
    def assigned(self) -> set[str]:
        """Names that the moved statements make."""
        return {
            n.id for s in self.tail for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }


def plan_move(analysis: Analysis, handler: Handler) -> Move | str | None:
    """How a route moves; the reason why it stays; None for what predicts nothing."""
    uses = [use for use in analysis.uses if use.handler is handler and use.method in PREDICTS]
    if not uses:
        return None
    try:
        _check_around(analysis, handler, uses)
        model = _check_model(uses)
        return _move(analysis, handler, uses, model)
    except CannotMove as reason:
        return str(reason)


def _check_around(analysis: Analysis, handler: Handler, uses: list[Use]) -> None:
    """What stands around a handler and would not stand around the moved one."""
    if isinstance(handler.options.func, ast.Attribute) and handler.options.func.attr == RESOURCE:
        raise CannotMove("it is a class of an extension, which reads requests and writes answers in a way of its own")
    if handler.methods != ("POST",):
        raise CannotMove(f"it answers {' and '.join(handler.methods)}; only a route that takes POST alone is moved")
    if re.search(r"[<{]", handler.path):
        raise CannotMove("its path has parameters")
    if handler.decorated:
        raise CannotMove(f"it is also decorated with @{handler.decorated[0]}")
    scope = analysis.scopes[handler][0]
    helper = next((use.scope.function.name for use in uses if use.scope.function is not scope.function), None)
    if helper:
        raise CannotMove(f"the model is called in {helper}(), not in the handler")
    _check_guards(analysis, handler)
    for inner in analysis.scopes[handler]:
        for node in inner.nodes():
            name = analysis.name(inner.source, node) if isinstance(node, ast.Name | ast.Attribute) else ""
            if _STATE.match(name):
                raise CannotMove(f"it uses {name}")


def _check_guards(analysis: Analysis, handler: Handler) -> None:
    """What a decorator or a router asks of a caller, or does to the answer, and the moved route would not."""
    for option in handler.options.keywords:
        if option.arg not in _HARMLESS:
            raise CannotMove(f"its decorator says {ast.unparse(option)}")
    routers = [handler.app.call] if handler.app.kind == "router" else []
    included = [
        call
        for source in analysis.project
        for call in _calls(source)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "include_router"
    ]
    if _is_wrapped(analysis):
        raise CannotMove("the application is wrapped in WSGI middleware, which would not stand before a moved route")
    if any(argument(call, "dependencies") is not None for call in [*routers, *included]):
        raise CannotMove("a router asks something of its callers by dependencies, and a moved route would not")


def _calls(source: Source) -> list[ast.Call]:
    return [node for node in ast.walk(source.tree) if isinstance(node, ast.Call)]


def _is_wrapped(analysis: Analysis) -> bool:
    """Whether `app.wsgi_app` is something else than what tells the address of a proxy's client."""
    return any(
        isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Attribute) and target.attr == "wsgi_app" for target in node.targets)
        and not (isinstance(node.value, ast.Call) and source.full_name(node.value.func).endswith("ProxyFix"))
        for source in analysis.project
        for node in ast.walk(source.tree)
    )


def _stands_around(analysis: Analysis) -> bool:
    """Whether the application does something around all its routes, so that this one is only itself inside it."""
    for source in analysis.project:
        for call in _calls(source):  # an extension: CORS(app), limiter.init_app(app)
            given = [*call.args, *(keyword.value for keyword in call.keywords)]
            joins = isinstance(call.func, ast.Attribute) and call.func.attr in _JOINED
            runs = source.full_name(call.func) in _RUNNERS
            if not (joins or runs) and any(analysis.apps.of(source, value) for value in given):
                return True
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Attribute) and node.attr in _HOOKS and analysis.apps.of(source, node.value):
                return True
    main = analysis.main
    return main is not None and argument(main.call, "dependencies") is not None


def _check_model(uses: list[Use]) -> ModelFile:
    models = {id(use.model): use.model for use in uses}
    model = next(iter(models.values()))
    if len(models) > 1:
        raise CannotMove("it asks several models")
    if model is None:
        raise CannotMove("which file the model is loaded from could not be told")
    if model.path is None and model.loader.endswith("()"):
        raise CannotMove(
            f"the model is made by {model.loader}, which fetches it by its name: write it as a model in Python"
        )
    if model.path is None:
        raise CannotMove(f"{model.written or 'the model file'} is not there, so its inputs are not known")
    if model.stored is None or not model.stored.fields:
        raise CannotMove(
            f"Modelport cannot serve {model.written}: {model.stored.refused if model.stored else 'it is no model'}"
        )
    if model.stored.outputs != 1:
        raise CannotMove("the model has several outputs")
    if {use.method for use in uses} - {"predict", "predict_proba"}:
        raise CannotMove(f"it calls {uses[0].method}()")
    if any(use.method == "predict_proba" for use in uses) and not model.stored.probabilities:
        raise CannotMove("it asks for probabilities, which the model as served does not give")
    return model


def _move(analysis: Analysis, handler: Handler, uses: list[Use], model: ModelFile) -> Move:
    stored = model.stored
    if stored is None:
        raise CannotMove("nothing is known of the model")
    if any(use.features.order == "client" for use in uses):
        raise CannotMove(
            "it takes the features in the order in which the client sends them, so their names are not in the code"
        )
    taken = read_inputs(analysis.project, handler, analysis.scopes[handler])
    others = [entry.source for entry in taken if entry.source != "json"]
    if others:
        raise CannotMove(
            f"it takes {others[0]}, and a typed route takes JSON; the model itself has a typed route of its own"
        )
    features = _features(uses)
    names = tuple(name for name, _ in stored.fields)
    if len(features.values) != len(names):
        raise CannotMove(f"it builds {len(features.values)} features, and the model takes {len(names)}")
    notes: list[str] = []
    values = _by_name(features, names, notes)
    rewriter = Rewriter(analysis, handler, uses, {value.key: _identifier(value.key) for value in values})
    tail = rewriter.tail()
    fields = [
        (_identifier(value.key), value.key, _TYPES.get(kind, "float"))
        for value, (_, kind) in zip(values, stored.fields, strict=True)
    ]
    body = _body_class(analysis, handler)
    record = [(name, _expression(value, rewriter.body, bool(body))) for name, value in zip(names, values, strict=True)]
    notes += rewriter.notes
    move = Move(handler, model, fields, record, tail, rewriter.constants, body, _answer_class(analysis, handler), notes)
    move.inside = _stands_around(analysis)
    move.answer, move.body, move.name = rewriter.answer, rewriter.body, handler.function.name
    return move


def _features(uses: list[Use]) -> Features:
    found = [use.features for use in uses]
    first = found[0]
    if any((f.values, f.columns) != (first.values, first.columns) for f in found):
        raise CannotMove("it gives the model different features in different calls")
    if not first.order or not all(value.key and value.source == "json" for value in first.values):
        raise CannotMove("how it makes the features from the request could not be read in full")
    if first.through:
        raise CannotMove(
            f"the features pass {first.through[0]} first: put it and the model into one Pipeline, save that, and adopt again"
        )
    if len({value.key for value in first.values}) != len(first.values):
        raise CannotMove("it gives the model one value of the request twice")
    return first


def _by_name(features: Features, names: tuple[str, ...], notes: list[str]) -> tuple[Feature, ...]:
    """The values in the model's order."""
    given = features.columns or features.keys
    if not permuted(given, names):
        return features.values
    notes.append(
        "the old handler gave the model these values in another order than it was trained with; here each goes where its name says"
    )
    by_name = {plain_name(name): value for name, value in zip(given, features.values, strict=True)}
    return tuple(by_name[plain_name(name)] for name in names)


def _identifier(key: str) -> str:
    name = re.sub(r"\W+", "_", key).strip("_").lower() or "value"
    name = f"value_{name}" if name[0].isdigit() else name
    return f"{name}_" if keyword.iskeyword(name) or name in ("copy", "json", "dict", "schema") else name


def _expression(value: Feature, body: str, as_it_is: bool) -> str:
    name = f"{body}.{value.key if as_it_is else _identifier(value.key)}"
    return f"int({name})" if value.cast == "int" and not as_it_is else name


def _body_class(analysis: Analysis, handler: Handler) -> tuple[str, str] | None:
    """The class of the one parameter of a FastAPI handler."""
    parameters = handler.function.args.args
    if handler.app.framework != "fastapi":
        return None
    found = class_of(analysis.project, handler.source, parameters[0].annotation) if len(parameters) == 1 else None
    if found is None:
        raise CannotMove("its body is no class of fields")
    return found[0].module, found[1].name


def _answer_class(analysis: Analysis, handler: Handler) -> tuple[str, str] | None:
    declared = argument(handler.options, "response_model")
    found = (
        class_of(analysis.project, handler.source, declared) if isinstance(declared, ast.Name | ast.Attribute) else None
    )
    return (found[0].module, found[1].name) if found else None
