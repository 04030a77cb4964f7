"""NumPy's numbers and arrays on their way into JSON, and into Python's own numbers."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from modelport.adopt.analysis import Analysis
from modelport.adopt.answers import returns_of
from modelport.adopt.facts import ModelFile
from modelport.adopt.flow import DEEPEST, Scope
from modelport.adopt.inputs import class_of, fields_of
from modelport.adopt.routes import Handler
from modelport.adopt.source import argument

ARRAY, SCALAR, UNKNOWN_SCALAR, FLOAT = "an array", "a NumPy number", "what the model answers", "float64"
_ROWS = ("predict_proba", "decision_function", "predict_log_proba")
_SAME = ("flatten", "ravel", "reshape", "squeeze", "astype", "round", "copy")
_FINE = {"float": "float64", "str": "str", "object": "object"}
_ENCODERS = ("flask.jsonify", "flask.json.jsonify", "json.dumps")
_RESPONSES = ("JSONResponse",)
_REMEDY = {
    ARRAY: "write  .tolist()",
    SCALAR: "write  .item(), or int(…) or float(…)",
    UNKNOWN_SCALAR: "write  .item(), which is right for any of them",
}


def kind_of(analysis: Analysis, scope: Scope, node: ast.expr, depth: int = 0) -> str:
    """Whether an expression is an array, a number that JSON has none of, or float64 (which is a float); empty for all else."""
    if depth > DEEPEST:
        return ""
    node = scope.resolve(node)
    if isinstance(node, ast.Call):
        return _of_call(analysis, scope, node, depth)
    if isinstance(node, ast.Subscript):
        return _of_element(analysis, scope, node, depth)
    if isinstance(node, ast.BinOp):
        kinds = {kind_of(analysis, scope, side, depth + 1) for side in (node.left, node.right)}
        return ARRAY if ARRAY in kinds else ""
    return ""


def _of_call(analysis: Analysis, scope: Scope, call: ast.Call, depth: int) -> str:
    use = next((u for u in analysis.uses if u.call is call), None)
    if use is not None:
        return ARRAY if use.method in (*_ROWS, "predict") and _is_numpy(use.model) else ""
    name = scope.source.full_name(call.func)
    if name in ("numpy.argmax", "numpy.argmin") and call.args and argument(call, "axis", 1) is None:
        return SCALAR if kind_of(analysis, scope, call.args[0], depth + 1) == ARRAY else ""
    if name in ("numpy.round", "numpy.array", "numpy.squeeze", "numpy.exp", "numpy.expm1") and call.args:
        return kind_of(analysis, scope, call.args[0], depth + 1)
    if name == "round" and call.args:
        inner = kind_of(analysis, scope, call.args[0], depth + 1)
        return inner if len(call.args) > 1 and inner != ARRAY else ""
    if isinstance(call.func, ast.Attribute) and call.func.attr in _SAME:
        return kind_of(analysis, scope, call.func.value, depth + 1)
    return ""


def _is_numpy(model: ModelFile | None) -> bool:
    """Whether its answers are NumPy's: those of scikit-learn and the boosters are."""
    return model is None or not model.loader.startswith(("torch", "onnxruntime", "mlflow", "pandas"))


def _of_element(analysis: Analysis, scope: Scope, node: ast.Subscript, depth: int) -> str:
    """`predict(…)[0]`, `predict_proba(…)[0][1]`, `predict_proba(…)[0, 1]`."""
    if isinstance(node.slice, ast.Slice):
        return ""
    steps = len(node.slice.elts) if isinstance(node.slice, ast.Tuple) else 1
    value = scope.resolve(node.value)
    if isinstance(value, ast.Subscript):
        value, steps = scope.resolve(value.value), steps + 1
    sliced = isinstance(node.slice, ast.Tuple) and any(isinstance(s, ast.Slice) for s in node.slice.elts)
    use = next((u for u in analysis.uses if u.call is value), None)
    if use is None or sliced or kind_of(analysis, scope, value, depth + 1) != ARRAY:
        return ""
    if use.method in _ROWS:
        return ARRAY if steps == 1 else FLOAT
    return _answer(use.model)


def _answer(model: ModelFile | None) -> str:
    """One prediction, as far as the file tells: float64 and text pass for float and str, whole numbers pass for nothing."""
    stored = model.stored if model else None
    if stored and stored.classes:
        return SCALAR if all(isinstance(c, int) for c in stored.classes) else FLOAT
    if stored and (stored.task == "regression" or "Regress" in stored.cls):
        return SCALAR if stored.library == "xgboost" else FLOAT
    return UNKNOWN_SCALAR


def check_numbers(analysis: Analysis) -> None:
    """What handlers answer with."""
    for handler in analysis.handlers:
        scope = analysis.scopes[handler][0]
        for returned in returns_of(scope):
            if returned.value is not None:
                _check_return(analysis, handler, scope, returned.value)


def _check_return(analysis: Analysis, handler: Handler, scope: Scope, value: ast.expr) -> None:
    types = _answer_types(analysis, handler)
    for field, part in _parts(scope, value):
        kind = kind_of(analysis, scope, part)
        if kind in ("", FLOAT):
            continue
        if types is not None and handler.app.framework == "fastapi":
            _check_typed(analysis, scope, part, (field, kind, types.get(field, "")))
            continue
        said = (f"{kind} is no JSON: the answer is a 500", _REMEDY[kind])
        if kind == UNKNOWN_SCALAR:
            said = (
                "a NumPy number is no JSON: a 500 where the model answers whole numbers or 32-bit floats",
                _REMEDY[kind],
            )
        line = part if hasattr(part, "lineno") else value
        analysis.found("numpy-in-json", "risk" if kind == UNKNOWN_SCALAR else "breaks", scope.source, line, said)


def _answer_types(analysis: Analysis, handler: Handler) -> dict[str, str] | None:
    """Types of the answer's fields, where FastAPI is told them."""
    declared = argument(handler.options, "response_model") or handler.function.returns
    if declared is None or (isinstance(declared, ast.Constant) and declared.value is None):
        return None
    if class_of(analysis.project, handler.source, declared) is None:
        return {"": ast.unparse(declared)}
    return fields_of(analysis.project, handler.source, declared)


def _check_typed(analysis: Analysis, scope: Scope, part: ast.expr, about: tuple[str, str, str]) -> None:
    """Pydantic reads arrays as lists and whole numbers as float; it makes no single number of an array, and no text of a number."""
    field, kind, declared = about
    if kind == ARRAY and declared in ("float", "int", "str", "bool"):
        said = (f"{field} is declared {declared}, and gets an array: the answer is a 500", "take its element:  [0]")
        analysis.found("array-in-response-model", "breaks", scope.source, part, said)
    elif kind == SCALAR and declared == "str":
        said = (
            f"{field} is declared str, and gets a whole number: the answer is a 500",
            "write  str(…), or declare it int",
        )
        analysis.found("number-in-response-model", "breaks", scope.source, part, said)


def _parts(scope: Scope, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Each value of an answer with its key."""
    value = scope.resolve(value)
    if isinstance(value, ast.Tuple) and value.elts:
        value = scope.resolve(value.elts[0])
    if isinstance(value, ast.Call):
        name = scope.project.full_name(scope.source, value.func)
        last = name.rpartition(".")[2]
        if name in _ENCODERS or last in _RESPONSES:
            yield from ((k.arg or "", k.value) for k in value.keywords if name.endswith("jsonify") and k.arg)
            given = value.args[:1] or [k.value for k in value.keywords if k.arg == "content"]
            for part in given:
                yield from _parts(scope, part)
            return
        if name in ("flask.render_template", "flask.make_response", "str") or last.endswith("Response"):
            return
        if value.keywords and not value.args and scope.project.definition(name):
            yield from ((k.arg or "", k.value) for k in value.keywords)
            return
    if isinstance(value, ast.Dict):
        for key, part in zip(value.keys, value.values, strict=True):
            name = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""
            yield from (
                ((name, inner) for _, inner in _parts(scope, part))
                if isinstance(part, ast.Dict | ast.List)
                else ((name, part),)
            )
        return
    if isinstance(value, ast.List):
        yield from (("", part) for part in value.elts)
        return
    yield "", value


def check_conversions(analysis: Analysis) -> None:
    """`float(model.predict(…))`: NumPy 2.4 makes no number of an array any more, even of one with one element."""
    for scope in {id(s): s for scopes in analysis.scopes.values() for s in scopes}.values():
        for call in scope.calls():
            name = scope.source.full_name(call.func)
            if name in ("float", "int") and len(call.args) == 1 and kind_of(analysis, scope, call.args[0]) == ARRAY:
                what = f"{name}() of an array is a TypeError since NumPy 2.4, even with one element"
                analysis.found(
                    "array-to-number", "breaks", scope.source, call, (what, f"write  {name}({_text(call.args[0])}[0])")
                )


def _text(node: ast.expr) -> str:
    text = ast.unparse(node)
    return text if len(text) < 40 else "…"
