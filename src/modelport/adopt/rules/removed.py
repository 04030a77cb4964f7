"""Names, arguments and settings that today's versions do not have any more."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from modelport.adopt.analysis import Analysis
from modelport.adopt.flow import Scope
from modelport.adopt.source import Source, import_base

_ESCAPE = "write  from markupsafe import"
_QUOTE = "take it from urllib.parse"
_CONTEXT = "use flask.g, or flask.globals.request_ctx"
_JOBLIB = "write  import joblib"
_SELECTION = "take it from sklearn.model_selection"
_PRIVATE = "take the class from the public module, such as sklearn.ensemble, and train and save the model again"

REMOVED = {
    "flask.Markup": f"{_ESCAPE} Markup",
    "flask.escape": f"{_ESCAPE} escape",
    "flask.safe_join": "write  from werkzeug.utils import safe_join",
    "flask._request_ctx_stack": _CONTEXT,
    "flask._app_ctx_stack": _CONTEXT,
    "flask.json.JSONEncoder": "derive from flask.json.provider.DefaultJSONProvider and set  app.json = YourProvider(app)",
    "flask.json.JSONDecoder": "derive from flask.json.provider.DefaultJSONProvider and set  app.json = YourProvider(app)",
    "flask.ext": "import the extension by its own name, such as flask_login",
    "werkzeug.secure_filename": "write  from werkzeug.utils import secure_filename",
    "werkzeug.generate_password_hash": "write  from werkzeug.security import generate_password_hash",
    "werkzeug.check_password_hash": "write  from werkzeug.security import check_password_hash",
    "werkzeug.FileStorage": "write  from werkzeug.datastructures import FileStorage",
    "werkzeug.cached_property": "write  from werkzeug.utils import cached_property",
    "werkzeug.contrib": "take cachelib for caches, werkzeug.middleware for ProxyFix and the like",
    "werkzeug.security.safe_str_cmp": "write  hmac.compare_digest",
    "werkzeug.wsgi.DispatcherMiddleware": "write  from werkzeug.middleware.dispatcher import DispatcherMiddleware",
    "werkzeug.urls.url_quote": _QUOTE,
    "werkzeug.urls.url_unquote": _QUOTE,
    "werkzeug.urls.url_encode": _QUOTE,
    "werkzeug.urls.url_decode": _QUOTE,
    "werkzeug.urls.url_parse": _QUOTE,
    "jinja2.Markup": f"{_ESCAPE} Markup",
    "jinja2.escape": f"{_ESCAPE} escape",
    "sklearn.externals.joblib": _JOBLIB,
    "sklearn.externals.six": "write  import six",
    "sklearn.datasets.load_boston": "it was removed for ethical reasons: read your own data, or fetch_california_housing",
    "sklearn.datasets.fetch_mldata": "use sklearn.datasets.fetch_openml",
    "sklearn.datasets.samples_generator": "take it from sklearn.datasets",
    "sklearn.cross_validation": _SELECTION,
    "sklearn.grid_search": _SELECTION,
    "sklearn.learning_curve": _SELECTION,
    "sklearn.preprocessing.Imputer": "use sklearn.impute.SimpleImputer",
    "sklearn.metrics.plot_confusion_matrix": "use sklearn.metrics.ConfusionMatrixDisplay.from_estimator",
    "sklearn.metrics.plot_roc_curve": "use sklearn.metrics.RocCurveDisplay.from_estimator",
    "sklearn.metrics.jaccard_similarity_score": "use sklearn.metrics.jaccard_score",
    "sklearn.metrics.SCORERS": "use sklearn.metrics.get_scorer",
    **dict.fromkeys(
        (
            "sklearn.ensemble.forest",
            "sklearn.ensemble.gradient_boosting",
            "sklearn.tree.tree",
            "sklearn.linear_model.base",
            "sklearn.linear_model.logistic",
            "sklearn.svm.classes",
            "sklearn.neighbors.classification",
            "sklearn.preprocessing.label",
            "sklearn.decomposition.pca",
        ),
        _PRIVATE,
    ),
    "numpy.float": "write  float",
    "numpy.int": "write  int",
    "numpy.bool8": "write  np.bool_",
    "numpy.object": "write  object",
    "numpy.str": "write  str",
    "numpy.complex": "write  complex",
    "numpy.unicode": "write  str",
    "numpy.float_": "write  np.float64",
    "numpy.complex_": "write  np.complex128",
    "numpy.string_": "write  np.bytes_",
    "numpy.unicode_": "write  np.str_",
    "numpy.NaN": "write  np.nan",
    "numpy.NAN": "write  np.nan",
    "numpy.Inf": "write  np.inf",
    "numpy.Infinity": "write  np.inf",
    "numpy.PINF": "write  np.inf",
    "numpy.NINF": "write  -np.inf",
    "numpy.product": "write  np.prod",
    "numpy.cumproduct": "write  np.cumprod",
    "numpy.alltrue": "write  np.all",
    "numpy.sometrue": "write  np.any",
    "numpy.asscalar": "write  a.item()",
    "numpy.in1d": "write  np.isin",
    "numpy.trapz": "write  np.trapezoid",
    "numpy.mat": "write  np.asmatrix, or better an array",
    "numpy.round_": "write  np.round",
    "numpy.asfarray": "write  np.asarray(a, dtype=float)",
    "numpy.msort": "write  np.sort(a, axis=0)",
    "pandas.datetime": "write  from datetime import datetime",
    "pandas.np": "write  import numpy as np",
    "pandas.Panel": "use a DataFrame with a MultiIndex",
    "pandas.value_counts": "write  series.value_counts()",
    "pandas.io.json.json_normalize": "write  pd.json_normalize",
    "pandas.scatter_matrix": "write  pd.plotting.scatter_matrix",
    "pydantic.BaseSettings": "install pydantic-settings and write  from pydantic_settings import BaseSettings",
    "pydantic.Required": "write  ...  in its place",
    "pydantic.PydanticValueError": "raise ValueError",
    "pydantic.error_wrappers.ErrorWrapper": "raise ValueError in a validator",
    "pydantic.fields.ModelField": "use pydantic.fields.FieldInfo",
}
"""Full names that are gone, with what takes their place. Modules stand for everything in them."""

ARGUMENTS = {
    "flask.send_file": {"attachment_filename": "download_name=", "cache_timeout": "max_age=", "add_etags": "etag="},
    "flask.send_from_directory": {"filename": "path=", "cache_timeout": "max_age="},
    "pandas.read_csv": {
        "error_bad_lines": 'on_bad_lines="skip"',
        "warn_bad_lines": 'on_bad_lines="warn"',
        "squeeze": '.squeeze("columns")',
    },
    "sklearn.preprocessing.OneHotEncoder": {"sparse": "sparse_output="},
    "sklearn.linear_model.LinearRegression": {"normalize": "a StandardScaler before it, in a Pipeline"},
    "sklearn.metrics.mean_squared_error": {"squared": "sklearn.metrics.root_mean_squared_error"},
    "uvicorn.run": {"debug": "reload=True and the app as text, while you develop"},
    "pydantic.Field": {"regex": "pattern=", "const": "a Literal type"},
    "pydantic.constr": {"regex": "pattern="},
    "pydantic.conlist": {"min_items": "min_length=", "max_items": "max_length="},
}
"""Arguments that were removed, by function, with what takes their place."""

_FRAMES = (
    "pandas.DataFrame",
    "pandas.concat",
    "pandas.get_dummies",
    "pandas.read_csv",
    "pandas.read_excel",
    "pandas.read_sql",
)
_FRAME_METHODS = {
    "append": "pd.concat([a, b], ignore_index=True)",
    "as_matrix": ".to_numpy()",
    "iteritems": ".items()",
    "applymap": ".map(…)",
    "ix": ".loc or .iloc",
    "lookup": ".to_numpy() with indices",
    "get_value": ".at",
    "set_value": ".at",
}


def check_removed(analysis: Analysis) -> None:
    """Imports and attributes of names that are gone."""
    for source in analysis.project:
        for node, name in _mentions(source):
            remedy = REMOVED.get(name)
            if remedy is None or _has_a_fallback(source, node):
                continue
            library = name.partition(".")[0]
            what = (
                f"{name} does not exist any more: {'the import' if isinstance(node, ast.stmt) else 'this line'} fails"
            )
            analysis.found("removed-name", "breaks", source, node, (what, f"{remedy} ({library} has removed it)"))


def _mentions(source: Source) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(source.tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            base = import_base(source, node)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and _root(node) in source.names:
            names = [source.full_name(node)]
        for name in names:
            known = next((n for n in _prefixes(name) if n in REMOVED), None)
            if known is not None:
                yield node, known


def _root(node: ast.Attribute) -> str:
    value: ast.expr = node
    while isinstance(value, ast.Attribute):
        value = value.value
    return value.id if isinstance(value, ast.Name) else ""


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:n]) for n in range(2, len(parts) + 1))


def _has_a_fallback(source: Source, node: ast.AST) -> bool:
    """Whether the code expects that this may fail."""
    for above in source.above(node):
        if isinstance(above, ast.Try) and any(_catches_imports(handler) for handler in above.handlers):
            return True
        if isinstance(above, ast.If) and isinstance(above.test, ast.Call) and source.called(above.test) == "hasattr":
            return True
    return False


def _catches_imports(handler: ast.ExceptHandler) -> bool:
    caught = ast.unparse(handler.type) if handler.type else "Exception"
    return any(name in caught for name in ("ImportError", "ModuleNotFoundError", "AttributeError", "Exception"))


def check_arguments(analysis: Analysis) -> None:
    """Arguments that functions do not take any more."""
    for source, call, name in analysis.calls():
        for keyword in call.keywords:
            instead = ARGUMENTS.get(name, {}).get(keyword.arg or "")
            if instead:
                what = f"{name.rpartition('.')[2]}() does not take {keyword.arg}= any more: this call fails"
                analysis.found("removed-argument", "breaks", source, call, (what, f"write  {instead}  in its place"))


def check_frames(analysis: Analysis) -> None:
    """Methods of DataFrames that are gone, where it is sure that it is a DataFrame."""
    for source in analysis.project:
        for node in ast.walk(source.tree):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in _FRAME_METHODS
                and _is_frame(analysis, source, node.value)
            ):
                what = f"DataFrame.{node.attr} does not exist any more: this line fails"
                analysis.found("removed-name", "breaks", source, node, (what, f"write  {_FRAME_METHODS[node.attr]}"))


def _is_frame(analysis: Analysis, source: Source, node: ast.expr) -> bool:
    function = source.function_of(node)
    if function is not None and isinstance(node, ast.Name):
        node = Scope(analysis.project, source, function).resolve(node)
    elif isinstance(node, ast.Name):
        found = analysis.project.value(analysis.name(source, node))
        node = found[1] if found else node
    return isinstance(node, ast.Call) and analysis.name(source, node.func) in _FRAMES


_HOOK = "call it once when the app is made, at the end of the file or in create_app()"
_PROVIDER = "derive from flask.json.provider.DefaultJSONProvider and set  app.json = YourProvider(app)"


def check_settings(analysis: Analysis) -> None:
    """Attributes and settings of a Flask application that are gone, most of them without a word."""
    for source in analysis.project:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Attribute):
                app = analysis.apps.of(source, node.value)
                if app is not None and app.kind == "flask" and node.attr == "before_first_request":
                    analysis.found(
                        "removed-name",
                        "breaks",
                        source,
                        node,
                        ("Flask has no before_first_request any more: this line fails", _HOOK),
                    )
                if (
                    app is not None
                    and app.framework == "flask"
                    and node.attr == "json_encoder"
                    and isinstance(node.ctx, ast.Store)
                ):
                    said = ("Flask ignores json_encoder: what only it could write fails as JSON", _PROVIDER)
                    analysis.found("ignored-setting", "breaks", source, node, said)
            elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
                _check_config(analysis, source, node)


_JSON_SETTINGS = {"JSON_SORT_KEYS": "sort_keys", "JSON_AS_ASCII": "ensure_ascii", "JSONIFY_MIMETYPE": "mimetype"}


def _check_config(analysis: Analysis, source: Source, node: ast.Subscript) -> None:
    key = node.slice.value if isinstance(node.slice, ast.Constant) else None
    if key not in _JSON_SETTINGS or not isinstance(node.value, ast.Attribute) or node.value.attr != "config":
        return
    if analysis.apps.of(source, node.value.value):
        said = (f"Flask ignores the setting {key}", f"write  app.json.{_JSON_SETTINGS[key]} = …")
        analysis.found("ignored-setting", "note", source, node, said)
