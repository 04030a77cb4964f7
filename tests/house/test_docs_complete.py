"""The reference is complete: whatever a user can set, run, meet in an answer or import is described."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import click
import pytest

from modelport import errors
from modelport.artifacts.override import FIELD_KEYS, TOP_KEYS
from modelport.assembly import LOADERS
from modelport.cli.main import commands
from modelport.config import ENV_PREFIX, NOT_IN_FILE, ServeOptions, flag_of, key_of
from modelport.kernel.signature import Kind
from tests.house.source import PACKAGE, ROOT, package_files, tree

REFERENCE = ROOT / "docs" / "reference"
DEFAULTS = {
    "workers": "auto",
    "max_body": "16MiB",
    "queue_bytes": "256MiB",
    "name": "the file's stem",
    "default_deadline": "30s",
    "kill_grace": "500ms",
    "drain_delay": "1s",
    "stop_timeout": "25s",
    "standby": "on",
    "allow_pickle": "off",
    "allow_code": "off",
    "trust_version": "off",
    "no_compile": "off",
    "require_compiled": "off",
    "require_signature": "off",
}

ARGUMENT_WITH_TYPE = {
    ".report": 2,
    "Problem": 2,
    "simple_error": 2,
    "_refuse": 1,
    "._give_up": 3,
    "Failure": 0,
    "refuse": 0,
    "invalid_body": 0,
}
"""Which argument of these functions is the `type` of a problem or the `code` of a failure."""


def page(name: str) -> str:
    """The text of a page of the reference."""
    return (REFERENCE / name).read_text(encoding="utf-8")


# -- options and commands ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", fields(ServeOptions), ids=lambda option: option.name)
def test_each_option_has_its_row(option: Any) -> None:
    flag = flag_of(option.name)
    default = DEFAULTS.get(option.name, option.default)
    shown = f"`{default}`" if default is not None and option.name != "name" else default or "none"
    key = "–" if option.name in NOT_IN_FILE else f"`{key_of(option.name)}`"
    spelled = f"{flag} {option.metadata['metavar']}".rstrip()
    start = f"| `{spelled}` | `{ENV_PREFIX}{key_of(option.name).upper()}` | {key} | {shown} |"
    cells = start.replace("N|auto", "N\\|auto").replace("text|json", "text\\|json").replace("on|off", "on\\|off")
    assert cells in page("configuration.md")


def test_each_command_and_each_of_its_options_is_described() -> None:
    text = page("cli.md")
    missing = []
    for name, command in commands.commands.items():
        section = text.partition(f"## `modelport {name}`")[2].partition("\n## ")[0]
        grouped = command.commands.values() if isinstance(command, click.Group) else [command]
        options = [o for each in grouped for p in each.params if isinstance(p, click.Option) for o in p.opts]
        missing += [f"{name} {option}" for option in options or [name] if f"`{option}" not in section]
        assert section, f"modelport {name} has no section"
    assert missing == []


@pytest.mark.parametrize("key", TOP_KEYS + FIELD_KEYS)
def test_each_key_of_a_signature_file_is_described(key: str) -> None:
    assert f"| `{key}` |" in page("signature-file.md")


@pytest.mark.parametrize("loader", LOADERS)
def test_each_family_of_artifacts_is_described(loader: str) -> None:
    assert f"`modelport[{loader}]`" in page("artifacts.md")


# -- what an answer may hold -------------------------------------------------------------------------------------------


def test_each_response_header_is_described() -> None:
    described = {line.split("`")[1].lower() for line in page("headers.md").splitlines() if line.startswith("| `")}
    assert sorted(set(_sent_headers()) - described) == []


def _sent_headers() -> Iterator[str]:
    """Names in `(b"name", value)` pairs and in heads that are written out, everywhere under fronts."""
    for path in (PACKAGE / "fronts").rglob("*.py"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.elts[0], ast.Constant):
                name = node.elts[0].value
                if isinstance(name, bytes) and re.fullmatch(rb"[a-z][a-z-]+", name):
                    yield name.decode()
            elif isinstance(node, ast.Constant) and isinstance(node.value, bytes):
                written_out = re.sub(rb"%[bds]", b"", node.value)
                yield from (found.decode() for found in re.findall(rb"([a-z][a-z-]+): ", written_out))


def test_each_type_of_a_problem_is_described() -> None:
    described = {line.split("`")[1] for line in page("errors.md").splitlines() if line.startswith("| `")}
    assert sorted(set(_types()) - described) == []


def test_no_type_is_described_that_cannot_appear() -> None:
    section = page("errors.md").partition("## Types of problems")[2].partition("\n## ")[0]
    described = {line.split("`")[1] for line in section.splitlines() if line.startswith("| `")}
    assert sorted(described - set(_types())) == []


def _types() -> Iterator[str]:
    for path in package_files():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call):
                name = f".{node.func.attr}" if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                position = ARGUMENT_WITH_TYPE.get(name)
                if position is not None and len(node.args) > position:
                    yield from _values_of(node.args[position])
    for cls in errors.CallError.__subclasses__():  # those below InvalidInput list problems, each with a type of its own
        if not issubclass(cls, errors.InvalidInput):
            yield cls.code


def _values_of(node: ast.expr) -> Iterator[str]:
    """What an argument can be: a constant, or an f-string that begins with the kind of a field. Names are passed on, and so is
    what Pydantic says of a body that is typed in Python."""
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        ending = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
        yield from (f"{kind}{ending}" for kind in Kind)
    elif isinstance(node, ast.IfExp):
        yield from _values_of(node.body)
        yield from _values_of(node.orelse)
    else:
        assert isinstance(node, ast.Name | ast.Attribute | ast.Subscript), ast.dump(node)
