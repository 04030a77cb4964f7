"""Tables as inputs: a `pandas.DataFrame`, or `Annotated[pd.DataFrame, modelport.Columns(age=int, name=str)]`.

In JSON a table is a list of records or an object of columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from modelport.codecs.problems import declared_wrong, refuse

KINDS: dict[Any, tuple[str, str]] = {
    int: ("integer", "int64"),
    float: ("number", "float64"),
    bool: ("boolean", "bool"),
    str: ("string", "str"),
}
OTHER_NAMES = {"int64": int, "float64": float, "bool": bool, "str": str}
MAX_LISTED = 100


class Columns:
    """An input that is a table with these columns, in this order, and no others.

    Each is `int`, `float`, `bool` or `str`, or one of them `| None` where values may be missing. Raises ConfigError
    for anything else.
    """

    def __init__(self, columns: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        self.columns: dict[str, tuple[Any, bool]] = {}
        for name, hint in {**(columns or {}), **more}.items():
            self.columns[name] = _read_kind(name, hint)

    def __repr__(self) -> str:
        return f"Columns({', '.join(f'{n}={k.__name__}' for n, (k, _) in self.columns.items())})"

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Read by `compile_reader`."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(compile_reader(self))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """The same as `json_schema`."""
        return self.json_schema()

    def json_schema(self) -> dict[str, Any]:
        """Records, or columns."""
        if not self.columns:
            record: dict[str, Any] = {"type": "object"}
            columns: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "array"}}
        else:
            kinds = {
                n: {"type": [KINDS[k][0], "null"] if null else KINDS[k][0]} for n, (k, null) in self.columns.items()
            }
            fixed = {"required": list(kinds), "additionalProperties": False}
            record = {"type": "object", "properties": kinds, **fixed}
            lists = {name: {"type": "array", "items": kind} for name, kind in kinds.items()}
            columns = {"type": "object", "properties": lists, **fixed}
        return {"anyOf": [{"type": "array", "items": record}, columns], "description": "A table: records, or columns"}


def _read_kind(name: str, hint: Any) -> tuple[Any, bool]:
    args = getattr(hint, "__args__", ())
    nullable = type(None) in args
    kind = next((a for a in args if a is not type(None)), None) if nullable and len(args) == 2 else hint
    kind = OTHER_NAMES.get(kind, kind) if isinstance(kind, str) else kind
    if kind not in KINDS:
        declared_wrong(f"Columns wants int, float, bool or str for {name!r}, or one of them | None, not {hint!r}")
    return kind, nullable


# -- reading -------------------------------------------------------------------------------------------------------


def compile_reader(declared: Columns) -> Callable[[Any], Any]:
    """A function from records, columns, or a DataFrame to a DataFrame with the declared columns."""

    def read(value: Any) -> Any:
        if not declared.columns and hasattr(value, "iloc"):
            return value
        columns = _columns_of(value, declared)
        _check_names(columns, declared)
        return _build(columns, declared)

    return read


def _columns_of(value: Any, declared: Columns) -> dict[str, Any]:
    if hasattr(value, "columns") and hasattr(value, "iloc"):
        from modelport.codecs.answers import series_values

        return {str(name): series_values(value[name]) for name in value.columns}
    if isinstance(value, list):
        return _from_records(value, declared)
    if isinstance(value, dict):
        return _from_columns(value)
    return refuse("table_type", f"a {type(value).__name__} came where a table is wanted", HINT)


HINT = 'send records, [{"age": 1}, …], or columns, {"age": [1, …]}'


def _from_records(records: list[Any], declared: Columns) -> dict[str, Any]:
    for i, record in enumerate(records):
        if not isinstance(record, dict):
            refuse("table_type", f"the record {i} is no object", HINT)
    names = list(declared.columns) or list(dict.fromkeys(name for record in records for name in record))
    wanted = set(names)
    for i, record in enumerate(records):
        if record.keys() != wanted:
            _refuse_names(f"record {i}", record.keys(), names)
    return {name: [record[name] for record in records] for name in names}


def _from_columns(columns: dict[str, Any]) -> dict[str, Any]:
    for name, values in columns.items():
        if not isinstance(values, list):
            refuse("table_type", f"the column {name!r} is no list", HINT)
    sizes = {name: len(values) for name, values in columns.items()}
    if len(set(sizes.values())) > 1:
        text = ", ".join(f"{name!r} has {size}" for name, size in list(sizes.items())[:MAX_LISTED])
        refuse("table_ragged", f"the columns differ in length: {text}", "send as many values in each column")
    return columns


def _check_names(columns: dict[str, Any], declared: Columns) -> None:
    if declared.columns and columns.keys() != declared.columns.keys():
        _refuse_names("the table", columns.keys(), list(declared.columns))


def _refuse_names(what: str, came: Any, names: list[str]) -> None:
    missing = [name for name in names if name not in came]
    unknown = [name for name in came if name not in names]
    parts = [f"lacks {missing[:5]}"] if missing else []
    parts += [f"has {unknown[:5]}, which is not asked for"] if unknown else []
    refuse("table_columns", f"{what} {' and '.join(parts)}", f"send the columns {names[:MAX_LISTED]}")


def _build(columns: dict[str, Any], declared: Columns) -> Any:
    import pandas as pd

    if not declared.columns:
        return pd.DataFrame(columns)
    return pd.DataFrame({name: _series(name, columns[name], *declared.columns[name]) for name in declared.columns})


ACCEPTED: dict[Any, tuple[type, ...]] = {int: (int,), float: (int, float), bool: (bool,), str: (str,)}
BOUND = 2**63


def _series(name: str, values: list[Any], kind: Any, nullable: bool) -> Any:
    import pandas as pd

    accepted = ACCEPTED[kind]
    found = set(map(type, values)) - set(accepted)
    if found - ({type(None)} if nullable else set()):
        at = next(i for i, v in enumerate(values) if type(v) not in accepted and not (nullable and v is None))
        came = {type(None): "null", str: "text", bool: "a boolean"}.get(type(values[at]), type(values[at]).__name__)
        refuse(
            "table_value",
            f"column {name!r}, row {at}: {came} came where {KINDS[kind][0]} is wanted",
            f"send {KINDS[kind][0]}s in {name!r}",
        )
    if kind is int and not all(v is None or -BOUND <= v < BOUND for v in values):
        refuse("table_range", f"column {name!r} holds a number beyond 64 bits", "send smaller numbers")
    if kind is float and any(v is not None and (v != v or v - v != 0) for v in values):
        refuse(
            "table_range",
            f"column {name!r} holds NaN or a number beyond 64-bit floats",
            "send null where values may be missing",
        )
    missing = type(None) in found
    dtype = {int: "Int64", bool: "boolean"}.get(kind, KINDS[kind][1]) if missing else KINDS[kind][1]
    return pd.Series(values, dtype=dtype)
