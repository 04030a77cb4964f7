"""Classes of Pydantic 1 under Pydantic 2: what fails, what is ignored, what became stricter."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from modelport.adopt.analysis import Analysis
from modelport.adopt.source import Function, Source, argument

RENAMED = {
    "schema_extra": "json_schema_extra",
    "orm_mode": "from_attributes",
    "allow_population_by_field_name": "validate_by_name and validate_by_alias",
    "anystr_strip_whitespace": "str_strip_whitespace",
    "anystr_lower": "str_to_lower",
    "anystr_upper": "str_to_upper",
    "min_anystr_length": "str_min_length",
    "max_anystr_length": "str_max_length",
    "validate_all": "validate_default",
    "keep_untouched": "ignored_types",
    "allow_mutation": "frozen, with the opposite value",
    "fields": "Field(…) in each field",
    "smart_union": "nothing: unions are smart by now",
    "getter_dict": "a validator with mode='before'",
    "error_msg_templates": "a validator that raises the message",
    "underscore_attrs_are_private": "nothing: they are private by now",
}
"""Keys of `Config` that are ignored, with what is written in their place."""

_PIN = re.compile(
    r"^\s*(pydantic|fastapi)\s*(?:\[[^\]]*\])?\s*(==|~=|<=|<)\s*(\d+)\.?(\d*)", re.IGNORECASE | re.MULTILINE
)


def check_schemas(analysis: Analysis) -> None:
    """Every class that derives from BaseModel."""
    old = is_of_pydantic_1(analysis)
    for source, cls in schemas(analysis):
        _check_config(analysis, source, cls)
        _check_validators(analysis, source, cls)
        _check_fields(analysis, source, cls)
        if old:
            _check_stricter(analysis, source, cls)
    _check_methods(analysis)


def schemas(analysis: Analysis) -> Iterator[tuple[Source, ast.ClassDef]]:
    """Every class of the application that is a Pydantic model."""
    for source in analysis.project:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef) and _is_schema(analysis, source, node):
                yield source, node


def _is_schema(analysis: Analysis, source: Source, cls: ast.ClassDef, depth: int = 0) -> bool:
    for base in cls.bases:
        name = analysis.name(source, base)
        if name in ("pydantic.BaseModel", "pydantic.main.BaseModel"):
            return True
        found = analysis.project.definition(name) if depth < 5 else None
        if (
            found
            and isinstance(found[1], ast.ClassDef)
            and found[1] is not cls
            and _is_schema(analysis, found[0], found[1], depth + 1)
        ):
            return True
    return False


def is_of_pydantic_1(analysis: Analysis) -> bool:
    """Whether the application was written for it: by its own spelling, or by what its requirements pin."""
    for _, cls in schemas(analysis):
        if any(key in RENAMED for key, _ in _config(cls)):
            return True
    for source in analysis.project:
        if {"pydantic.validator", "pydantic.root_validator"} & set(source.names.values()):
            return True
    for folder in (analysis.project.folder, analysis.project.root):
        path = folder / "requirements.txt"
        try:
            text = path.read_text(encoding="utf-8", errors="ignore")
        except OSError:
            continue
        for name, sign, major, minor in _PIN.findall(text):
            bound = (int(major), int(minor or 0)) <= ((2, 0) if name.lower() == "pydantic" else (0, 99))
            if bound and (int(major) < 2 if sign in ("==", "~=") else True):
                return True
    return False


def _config(cls: ast.ClassDef) -> Iterator[tuple[str, ast.AST]]:
    """Keys of its configuration, in each of the three spellings."""
    for node in cls.body:
        if isinstance(node, ast.ClassDef) and node.name == "Config":
            for s in node.body:
                if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name):
                    yield s.targets[0].id, s
                elif isinstance(s, Function):
                    yield s.name, s
        elif (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == "model_config"
        ):
            if isinstance(node.value, ast.Dict):
                yield from (
                    (k.value, k) for k in node.value.keys if isinstance(k, ast.Constant) and isinstance(k.value, str)
                )
            elif isinstance(node.value, ast.Call):
                yield from ((k.arg, node) for k in node.value.keywords if k.arg)


def _check_config(analysis: Analysis, source: Source, cls: ast.ClassDef) -> None:
    for key, node in _config(cls):
        if key in RENAMED:
            level = "note" if key in ("smart_union", "underscore_attrs_are_private") else "wrong"
            what = f"Pydantic 2 ignores {key} in the configuration of {cls.name}"
            analysis.found("ignored-config", level, source, node, (what, f"write  {RENAMED[key]}"))  # type: ignore[arg-type]


def _check_validators(analysis: Analysis, source: Source, cls: ast.ClassDef) -> None:
    for function in (s for s in cls.body if isinstance(s, Function)):
        for decorator in function.decorator_list:
            name = analysis.name(source, decorator.func if isinstance(decorator, ast.Call) else decorator)
            call = decorator if isinstance(decorator, ast.Call) else None
            arguments = {a.arg for a in function.args.args} & {"field", "config"}
            if name == "pydantic.validator" and arguments:
                what = (
                    f"a @validator cannot take {' and '.join(sorted(arguments))} any more: the class fails to be made"
                )
                analysis.found(
                    "validator",
                    "breaks",
                    source,
                    decorator,
                    (what, "write  @field_validator  with a parameter  info: ValidationInfo"),
                )
            elif name == "pydantic.root_validator" and not _runs_before(call):
                what = "@root_validator without pre=True fails: the class cannot be made"
                analysis.found(
                    "validator", "breaks", source, decorator, (what, 'write  @model_validator(mode="after")')
                )
            elif name in ("pydantic.validator", "pydantic.root_validator"):
                said = (
                    f"@{name.rpartition('.')[2]} still works, and warns that it will go",
                    "write  @field_validator  or  @model_validator",
                )
                analysis.found("deprecated", "note", source, decorator, said)


def _runs_before(call: ast.Call | None) -> bool:
    given = {k.arg: k.value.value for k in call.keywords if isinstance(k.value, ast.Constant)} if call else {}
    return bool(given.get("pre") or given.get("skip_on_failure"))


def _check_fields(analysis: Analysis, source: Source, cls: ast.ClassDef) -> None:
    arbitrary = any(key == "arbitrary_types_allowed" for key, _ in _config(cls))
    for s in cls.body:
        if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name):
            name = s.targets[0].id
            plain = isinstance(s.value, ast.Constant) and s.value.value is not None
            if (
                not name.startswith("_")
                and name != "model_config"
                and (plain or source.called(s.value).endswith("Field"))
            ):
                what = f"{cls.name}.{name} has no type: Pydantic 2 refuses the class"
                analysis.found("untyped-field", "breaks", source, s, (what, f"write  {name}: float = …  with its type"))
        elif isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name):
            note = analysis.name(source, s.annotation)
            if s.target.id == "__root__":
                said = (
                    f"{cls.name}.__root__ is refused: the class cannot be made",
                    f"write  class {cls.name}(RootModel[…])",
                )
                analysis.found("root-model", "breaks", source, s, said)
            elif note in ("numpy.ndarray", "numpy.array") and not arbitrary:
                said = (
                    f"{cls.name}.{s.target.id} is an array: Pydantic refuses the class",
                    "write  list[float], and give it  array.tolist()",
                )
                analysis.found("array-field", "breaks", source, s, said)


def _check_stricter(analysis: Analysis, source: Source, cls: ast.ClassDef) -> None:
    """What only matters to an application of Pydantic 1: one of today may mean it so."""
    for s in cls.body:
        if not isinstance(s, ast.AnnAssign) or not isinstance(s.target, ast.Name):
            continue
        note, name = ast.unparse(s.annotation), s.target.id
        if re.fullmatch(r"(Optional\[)?int\]?|conint\(.*\)", note):
            what = f"{cls.name}.{name} is an int: Pydantic 1 cut 1.5 to 1 without a word, Pydantic 2 answers 422"
            analysis.found(
                "int-field", "wrong", source, s, (what, f"write  {name}: float  if clients may send fractions")
            )
        if note.startswith(("Optional[", "typing.Optional[")) and s.value is None:
            what = f"{cls.name}.{name} may be null, but must be there: in Pydantic 1 it could be left out"
            analysis.found("optional-required", "breaks", source, s, (what, f"write  {name}: {note} = None"))


_DUMPS = {"dict": "model_dump()", "json": "model_dump_json()", "copy": "model_copy()"}


def _check_methods(analysis: Analysis) -> None:
    """`.dict()` and `.json()` of parameters that are Pydantic models."""
    known = {f"{source.module}.{cls.name}" for source, cls in schemas(analysis)}
    for source in analysis.project:
        for function in source.functions():
            typed = {
                a.arg
                for a in (*function.args.args, *function.args.kwonlyargs)
                if analysis.name(source, a.annotation) in known
            }
            for call in source.calls(function):
                if not isinstance(call.func, ast.Attribute) or not isinstance(call.func.value, ast.Name):
                    continue
                if call.func.value.id not in typed or call.func.attr not in _DUMPS:
                    continue
                if call.func.attr == "json" and any(
                    argument(call, name) is not None for name in ("indent", "ensure_ascii", "sort_keys")
                ):
                    said = (
                        ".json() does not take options of json.dumps any more: this call fails",
                        "write  model_dump_json(indent=…)",
                    )
                    analysis.found("removed-argument", "breaks", source, call, said)
                else:
                    said = (
                        f".{call.func.attr}() still works, and warns that it will go",
                        f"write  .{_DUMPS[call.func.attr]}",
                    )
                    analysis.found("deprecated", "note", source, call, said)
