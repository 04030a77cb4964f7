"""What a handler does with the model's answer, rewritten for an answer that is plain data."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection

from modelport.adopt.analysis import Analysis, Use
from modelport.adopt.routes import Handler
from modelport.adopt.rules.numbers import ARRAY, kind_of
from modelport.adopt.source import argument

_BUILTINS = (
    "float",
    "int",
    "str",
    "round",
    "bool",
    "len",
    "max",
    "min",
    "abs",
    "dict",
    "list",
    "sum",
    "sorted",
    "zip",
    "enumerate",
    "range",
)
_METHODS = (
    "format",
    "get",
    "upper",
    "lower",
    "title",
    "capitalize",
    "strip",
    "replace",
    "join",
    "split",
    "items",
    "keys",
    "values",
)
_OF_LISTS = ("list", "len", "max", "min", "sum")
"""What does the same with a list of one as with an array of one."""
_PLAIN = ("tolist", "item")
_ROWS = ("flatten", "ravel", "squeeze")


class CannotMove(Exception):
    """A route stays where it is; the message says why."""


class Rewriter(ast.NodeTransformer):
    """Takes over the statements from the prediction on. Whatever it does not know for sure, it refuses."""

    def __init__(self, analysis: Analysis, handler: Handler, uses: list[Use], fields: dict[str, str]) -> None:
        self._analysis, self._handler = analysis, handler
        self._scope = analysis.scopes[handler][0]
        self._uses = {use.call: use for use in uses}
        self._fields = fields if handler.app.framework == "flask" else {name: name for name in fields}
        self._kept: set[str] = set()
        self.answer = _free("answer", self._scope.assigned)
        self.body = _free("body", self._scope.assigned)
        self.constants: dict[str, ast.expr] = {}
        self.notes: list[str] = []

    def tail(self) -> list[ast.stmt]:
        """The statements of the moved route. Raises CannotMove."""
        statements = self._unwrapped()
        start = next((n for n, s in enumerate(statements) if self._predicts(s)), None)
        if start is None:
            raise CannotMove("the model is called inside a loop or a branch")
        if not isinstance(statements[-1], ast.Return):
            raise CannotMove("it does not end with its answer")
        for early in statements[:start]:
            if not isinstance(early, ast.Assign | ast.AnnAssign | ast.Expr | ast.AugAssign):
                raise CannotMove(f"line {early.lineno} decides something before the model is asked")
            if (
                isinstance(early, ast.Expr)
                and not isinstance(early.value, ast.Constant)
                and not self._appends(early.value)
            ):
                raise CannotMove(f"line {early.lineno} does something before the model is asked")
        return [self._statement(s) for s in statements[start:]]

    def _unwrapped(self) -> list[ast.stmt]:
        body = [
            s
            for s in self._handler.function.body
            if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
        ]
        tries = [s for s in body if isinstance(s, ast.Try)]
        if not tries:
            return body
        if len(body) != 1 or tries[0].finalbody or tries[0].orelse:
            raise CannotMove(f"line {tries[0].lineno} catches exceptions in a part of it")
        self.notes.append("the old handler answered exceptions itself; here bad input is a 422 that names the field")
        return tries[0].body

    def _predicts(self, node: ast.AST) -> bool:
        return any(part in self._uses for part in ast.walk(node))

    def _appends(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append"

    def _statement(self, node: ast.stmt) -> ast.stmt:
        match node:
            case ast.Return(value=ast.expr() as value):
                return ast.Return(self._answer(value))
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if self._is_input(value):
                    return ast.Pass()
                made = ast.Assign([ast.Name(name, ast.Store())], self._rewrite(value), lineno=node.lineno)
                self._kept.add(name)
                return made
            case ast.If():
                test = self._test(node.test)
                return ast.If(test, [self._statement(s) for s in node.body], [self._statement(s) for s in node.orelse])
            case ast.Expr(value=ast.Call(func=ast.Name(id="print"))):
                return ast.Pass()
        raise CannotMove(f"line {node.lineno} does something that is not about the answer alone")

    def _is_input(self, value: ast.expr) -> bool:
        return (
            not self._predicts(value)
            and not {n.id for n in ast.walk(value) if isinstance(n, ast.Name)} & self._kept
            and self._key(value) is not None
        )

    def _answer(self, value: ast.expr) -> ast.expr:
        """What is returned, without the wrapping that makes JSON of it."""
        if (
            isinstance(value, ast.Tuple)
            and len(value.elts) == 2
            and isinstance(value.elts[1], ast.Constant)
            and value.elts[1].value == 200
        ):
            value = value.elts[0]
        if isinstance(value, ast.Name) and value.id not in self._kept:
            value = self._scope.resolve(value)
        if isinstance(value, ast.Call):
            name = self._analysis.name(self._scope.source, value.func)
            if name.endswith("jsonify") or name.rpartition(".")[2] == "JSONResponse":
                if argument(value, "status_code") is not None:
                    raise CannotMove("it sets the status of its answer itself")
                content = value.args[0] if value.args else argument(value, "content")
                return self._rewrite(content) if content is not None else self._object(value)
            if isinstance(found := self._analysis.project.definition(name), tuple) and isinstance(
                found[1], ast.ClassDef
            ):
                return self._object(value)
        if self._handler.app.framework == "flask" and not isinstance(value, ast.Dict | ast.List | ast.Name):
            raise CannotMove("it does not answer with JSON")
        return self._rewrite(value)

    def _object(self, call: ast.Call) -> ast.Dict:
        if call.args or any(k.arg is None for k in call.keywords):
            raise CannotMove("the keys of its answer are not written out")
        return ast.Dict([ast.Constant(k.arg) for k in call.keywords], [self._rewrite(k.value) for k in call.keywords])

    def _key(self, node: ast.expr) -> str | None:
        """The field of the body that an expression reads."""
        from modelport.adopt.features import value_of

        found = value_of(self._scope, node)
        return found.key if found.source == "json" and found.key in self._fields else None

    def _rewrite(self, node: ast.expr) -> ast.expr:
        rewritten: ast.expr = self.visit(node)
        return rewritten

    # -- expressions -------------------------------------------------------------------------------------------------

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """The prediction itself, what makes plain data of arrays, and harmless functions."""
        if node in self._uses:
            return _prediction(self._uses[node].method, self.answer)
        if (key := self._key(node)) is not None:
            return self._field(key)
        if isinstance(node.func, ast.Attribute):
            return self._method(node, node.func)
        name = self._scope.source.full_name(node.func)
        if name in ("float", "int") and len(node.args) == 1 and self._is_array(node.args[0]):
            return ast.Call(node.func, [_first(self._rewrite(node.args[0]))], [])
        if name not in _BUILTINS or (name not in _OF_LISTS and any(map(self._is_array, node.args))):
            raise CannotMove(f"line {node.lineno} calls {name or ast.unparse(node.func)}() for its answer")
        return ast.Call(
            node.func,
            [self._rewrite(a) for a in node.args],
            [ast.keyword(k.arg, self._rewrite(k.value)) for k in node.keywords],
        )

    def _method(self, node: ast.Call, method: ast.Attribute) -> ast.expr:
        if method.attr in _PLAIN:
            inner = self._rewrite(method.value)
            is_array = self._is_array(method.value)
            return _first(inner) if method.attr == "item" and is_array else inner
        if method.attr in _ROWS and self._is_array(method.value) and not self._is_probabilities(method.value):
            return self._rewrite(method.value)
        name = self._scope.source.full_name(node.func)
        whole = node.args[0] if name in ("numpy.max", "numpy.argmax") and len(node.args) == 1 else method.value
        if (method.attr in ("max", "argmax")) and self._is_probabilities(whole):
            row = _first(self._rewrite(whole))
            highest = ast.Call(ast.Name("max", ast.Load()), [row], [])
            return highest if method.attr == "max" else ast.Call(ast.Attribute(row, "index", ast.Load()), [highest], [])
        if method.attr not in _METHODS:
            raise CannotMove(f"line {node.lineno} calls {ast.unparse(node.func)}() for its answer")
        if any(map(self._is_array, node.args)):
            raise CannotMove(f"line {node.lineno} writes an array as text")
        arguments = [self._rewrite(a) for a in node.args]
        return ast.Call(
            ast.Attribute(self._rewrite(method.value), method.attr, ast.Load()),
            arguments,
            [ast.keyword(k.arg, self._rewrite(k.value)) for k in node.keywords],
        )

    def _is_array(self, node: ast.expr) -> bool:
        return kind_of(self._analysis, self._scope, node) == ARRAY

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """NumPy compares an array of one like its element; a list of one is equal to no number."""
        sides = [self._element(side) for side in (node.left, *node.comparators)]
        return ast.Compare(sides[0], node.ops, sides[1:])

    def _element(self, node: ast.expr) -> ast.expr:
        if not self._is_array(node):
            return self._rewrite(node)
        if self._is_probabilities(node) or not isinstance(node, ast.Name | ast.Call):
            raise CannotMove(f"line {node.lineno} compares an array")
        return _first(self._rewrite(node))

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Arithmetic, but not with arrays: lists have another."""
        if self._is_array(node.left) or self._is_array(node.right):
            raise CannotMove(f"line {node.lineno} computes with an array")
        return ast.BinOp(self._rewrite(node.left), node.op, self._rewrite(node.right))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """The same."""
        if self._is_array(node.operand):
            raise CannotMove(f"line {node.lineno} computes with an array")
        return ast.UnaryOp(node.op, self._rewrite(node.operand))

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.expr:
        """A value in an f-string."""
        if self._is_array(node.value):
            raise CannotMove(f"line {node.value.lineno} writes an array as text")
        return ast.FormattedValue(self._rewrite(node.value), node.conversion, node.format_spec)

    def _test(self, node: ast.expr) -> ast.expr:
        if self._is_array(node):
            raise CannotMove(f"line {node.lineno} takes an array for true or false")
        return self._rewrite(node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        """`a if test else b`."""
        return ast.IfExp(self._test(node.test), self._rewrite(node.body), self._rewrite(node.orelse))

    def _is_probabilities(self, node: ast.expr) -> bool:
        use = self._uses.get(self._scope.resolve(node))  # type: ignore[call-overload]
        return use is not None and use.method == "predict_proba"

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """A field of the body, `a[0, 1]` as `a[0][1]`, or any element."""
        if (key := self._key(node)) is not None:
            return self._field(key)
        value = self._rewrite(node.value)
        if isinstance(node.slice, ast.Tuple):
            for step in node.slice.elts:
                if isinstance(step, ast.Slice):
                    raise CannotMove(f"line {node.lineno} cuts columns out of an array")
                value = ast.Subscript(value, self._rewrite(step), ast.Load())
            return value
        return ast.Subscript(value, self._rewrite(node.slice), ast.Load())

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """A field of the body."""
        if (key := self._key(node)) is not None:
            return self._field(key)
        raise CannotMove(f"line {node.lineno} uses {ast.unparse(node)} for its answer")

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """A name of the moved statements, a field, a constant of the file, or a builtin."""
        if node.id in self._kept or (hasattr(builtins, node.id) and node.id in _BUILTINS):
            return node
        if (key := self._key(node)) is not None:
            return self._field(key)
        constant = self._analysis.project.constant(self._scope.source, node)
        if constant is None or constant is node or self._scope.is_local(node.id) or not _is_literal(constant):
            raise CannotMove(f"line {node.lineno} uses {node.id} for its answer")
        self.constants[node.id] = constant
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        """Too much freedom."""
        raise CannotMove(f"line {node.lineno} has a function of its own")

    def visit_ListComp(self, node: ast.ListComp) -> ast.expr:
        """The same."""
        raise CannotMove(f"line {node.lineno} builds its answer in a loop")

    visit_GeneratorExp = visit_SetComp = visit_DictComp = visit_ListComp  # type: ignore[assignment]

    def _field(self, key: str) -> ast.expr:
        return ast.Attribute(ast.Name(self.body, ast.Load()), self._fields[key], ast.Load())


def _free(name: str, taken: Collection[str]) -> str:
    """A name that the old handler has not used itself."""
    while name in taken:
        name += "_"
    return name


def _prediction(method: str, answer: str) -> ast.expr:
    text = f'[{answer}["prediction"]]' if method == "predict" else f'[list({answer}["probabilities"].values())]'
    return ast.parse(text, mode="eval").body


def _first(node: ast.expr) -> ast.expr:
    """The first element; of a list that is written out, that itself."""
    if isinstance(node, ast.List) and len(node.elts) == 1:
        return node.elts[0]
    return ast.Subscript(node, ast.Constant(0), ast.Load())


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError):
        return False
    return True
