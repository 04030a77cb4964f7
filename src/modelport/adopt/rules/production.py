"""What must not reach production: debuggers, secrets in the code, code from strangers."""

from __future__ import annotations

import ast

from modelport.adopt.analysis import Analysis
from modelport.adopt.flow import Scope
from modelport.adopt.inputs import source_of
from modelport.adopt.source import Source, argument, text_of

_SERVER = "serve it with  modelport serve, or Gunicorn or Uvicorn"
STARTERS = ("uvicorn.run", "waitress.serve", "hypercorn.run")


def check_production(analysis: Analysis) -> None:
    """Debug mode, the development server, and CORS for everybody."""
    for source, call, name in analysis.calls():
        if isinstance(call.func, ast.Attribute) and call.func.attr == "run":
            app = analysis.apps.of(source, call.func.value)
            if app is not None and app.kind == "flask":
                _check_run(analysis, source, call)
        if name in STARTERS:
            _check_import(analysis, source, call, name)
        if name in ("flask_cors.CORS", "CORS"):
            _check_cors(analysis, source, call, argument(call, "origins"), argument(call, "supports_credentials"))
        elif _adds_cors(analysis, source, call):
            _check_cors(analysis, source, call, argument(call, "allow_origins"), argument(call, "allow_credentials"))


def _adds_cors(analysis: Analysis, source: Source, call: ast.Call) -> bool:
    adds = isinstance(call.func, ast.Attribute) and call.func.attr == "add_middleware" and bool(call.args)
    return adds and analysis.name(source, call.args[0]).endswith("CORSMiddleware")


def _check_run(analysis: Analysis, source: Source, call: ast.Call) -> None:
    debug = argument(call, "debug")
    if isinstance(debug, ast.Constant) and debug.value is True:
        what = "debug=True: whoever sees an error page can run code on the server"
        analysis.found(
            "debug", "risk", source, call, (what, "leave it out; while you develop,  flask --app … run --debug")
        )
    if not _check_import(analysis, source, call, "app.run") and (
        not isinstance(debug, ast.Constant) or debug.value is not True
    ):
        what = "app.run() is Flask's development server: for one developer, not for production"
        analysis.found("development-server", "note", source, call, (what, _SERVER))


def _check_import(analysis: Analysis, source: Source, call: ast.Call, shown: str) -> bool:
    """Whether a server is started as soon as the file is imported."""
    if source.function_of(call) is not None or source.under_main(call):
        return False
    what = f"{shown}() stands at the top of the file: importing the app starts a server and never returns"
    analysis.found("run-at-import", "breaks", source, call, (what, 'put it under  if __name__ == "__main__":'))
    return True


def _check_cors(
    analysis: Analysis, source: Source, call: ast.Call, origins: ast.expr | None, credentials: ast.expr | None
) -> None:
    given = analysis.project.constant(source, origins)
    wild = text_of(given) == "*" or (
        isinstance(given, ast.List | ast.Tuple) and any(text_of(item) == "*" for item in given.elts)
    )
    if not wild and not (
        given is None and analysis.name(source, call.func).endswith("CORS") and argument(call, "resources") is None
    ):
        return
    with_cookies = isinstance(credentials, ast.Constant) and credentials.value is True
    what = "every web site may call this API from its visitors' browsers" + (
        ", with their cookies" if with_cookies else ""
    )
    analysis.found(
        "cors-for-all", "risk" if with_cookies else "note", source, call, (what, "list the origins that may")
    )


def check_secrets(analysis: Analysis) -> None:
    """Secret keys that are written down."""
    for source in analysis.project:
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.Assign):
                continue
            written, is_default = node.value, False
            if isinstance(written, ast.Call) and source.full_name(written.func) in ("os.environ.get", "os.getenv"):
                written, is_default = argument(written, "default", 1) or written, True
            if not isinstance(written, ast.Constant) or not isinstance(written.value, str | bytes) or not written.value:
                continue
            if any(_is_secret(analysis, source, target) for target in node.targets):
                where = "is in the code where the environment has none" if is_default else "is in the code"
                what = f"the secret key {where}: whoever reads it can forge sessions"
                analysis.found("secret-in-code", "risk", source, node, (what, 'write  os.environ["SECRET_KEY"]'))


def _is_secret(analysis: Analysis, source: Source, target: ast.expr) -> bool:
    if isinstance(target, ast.Attribute) and target.attr == "secret_key":
        return analysis.apps.of(source, target.value) is not None
    if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
        config = target.value
        return target.slice.value == "SECRET_KEY" and isinstance(config, ast.Attribute) and config.attr == "config"
    return False


_UNPICKLERS = (
    "pickle.load",
    "pickle.loads",
    "joblib.load",
    "dill.load",
    "dill.loads",
    "cloudpickle.loads",
    "pandas.read_pickle",
)


def check_uploads(analysis: Analysis) -> None:
    """`eval`, `exec` and unpickling of what a client sent."""
    for handler in analysis.handlers:
        for scope in analysis.scopes[handler]:
            for call in scope.calls():
                name = analysis.name(scope.source, call.func)
                if name in ("eval", "exec", *_UNPICKLERS) and call.args and _is_sent(scope, call.args[0]):
                    what = f"{name}() of what a client sent runs the client's code"
                    remedy = (
                        "read it with json.loads or ast.literal_eval"
                        if name in ("eval", "exec")
                        else "take JSON, .npy or .onnx"
                    )
                    analysis.found("code-from-client", "risk", scope.source, call, (what, remedy))


def _is_sent(scope: Scope, node: ast.expr) -> bool:
    """Whether any part of an expression is a part of the request."""
    for part in ast.walk(scope.resolve(node)):
        if isinstance(part, ast.expr) and source_of(scope, part) in (
            "json",
            "form",
            "query",
            "form or query",
            "files",
            "body",
        ):
            return True
        if isinstance(part, ast.Name) and part.id in scope.parameters:
            note = scope.parameters[part.id].annotation
            if note is not None and "UploadFile" in ast.unparse(note):
                return True
        if (
            isinstance(part, ast.Name)
            and (value := scope.value(part)) is not None
            and value is not node
            and _is_sent(scope, value)
        ):
            return True
    return False
