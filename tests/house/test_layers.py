"""Who may import whom. A line that fails here is in the wrong room, or the table in docs/architecture.md is wrong."""

from __future__ import annotations

import ast
import importlib

from tests.house.source import PACKAGE, ROOT, Import, imports, layer_of, layer_of_module, package_files, tree

DOORS = frozenset({"codecs", "artifacts", "executors", "compilation", "native", "guard", "observe", "mount"})
INNER = frozenset({"errors", "kernel"})
DECLARED = frozenset({"config", "service", "routes"})
ABOVE = INNER | DECLARED | {"runtime", "assembly", "modelport"}

MAY_IMPORT: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "kernel": frozenset({"errors"}),
    **dict.fromkeys([*DOORS, "runtime"], INNER),
    "fronts": INNER | {"runtime", "codecs"},  # a front speaks a wire format: its very errors are JSON
    **dict.fromkeys(DECLARED, INNER),
    "service": INNER | {"routes"},
    "assembly": INNER | DECLARED | DOORS | {"runtime", "fronts", "modelport"},
    **dict.fromkeys(("testing", "compare", "adopt", "deploy"), ABOVE),
    "cli": ABOVE | {"adopt", "compare", "deploy"},
    "entry": ABOVE | {"cli"},
    "modelport": frozenset(
        {"errors", "entry", "service", "cli", "codecs"}
    ),  # of codecs, the types that bodies are declared with
}

NOT_IN_THE_KERNEL = frozenset(
    {"asyncio", "logging", "numpy", "os", "random", "selectors", "socket", "subprocess", "sys", "threading", "time"}
)

MOST_PORTS, MOST_METHODS = 7, 3


def ours() -> list[Import]:
    """Imports between modules of the package."""
    return [i for path in package_files() for i in imports(path) if i.module.split(".")[0] == "modelport"]


def test_every_import_goes_in_an_allowed_direction() -> None:
    """Lazy imports and those for types count, too: they make the same knots."""
    wrong = [
        f"{i} (a {layer_of(i.file)} may import {', '.join(sorted(MAY_IMPORT[layer_of(i.file)])) or 'nothing of ours'})"
        for i in ours()
        if layer_of(i.file) != layer_of_module(i.module)
        and layer_of_module(i.module) not in MAY_IMPORT[layer_of(i.file)]
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_every_part_of_the_package_has_a_place_in_the_table() -> None:
    unknown = {layer_of(path) for path in package_files()} - MAY_IMPORT.keys()
    assert not unknown, f"say in this file and in docs/architecture.md what {unknown} may import"


def test_the_table_in_the_docs_names_every_part() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    missing = [name for name in {layer_of(path) for path in package_files()} if f"`{name}`" not in page]
    assert not missing


def test_only_assembly_imports_concrete_doors() -> None:
    """Save that a front speaks its wire format, and that the types which bodies are declared with are public."""
    doors = [
        str(i)
        for i in ours()
        if layer_of_module(i.module) in DOORS | {"fronts"}
        and layer_of(i.file) not in (layer_of_module(i.module), "assembly")
        and (layer_of(i.file), layer_of_module(i.module)) not in (("fronts", "codecs"), ("modelport", "codecs"))
    ]
    assert not doors, "\n" + "\n".join(doors)


def test_the_kernel_has_no_clock_no_input_and_no_arrays() -> None:
    wrong = [
        str(i)
        for path in (PACKAGE / "kernel").rglob("*.py")
        for i in imports(path)
        if i.module.split(".")[0] in NOT_IN_THE_KERNEL
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_names_of_modules_in_strings_resolve() -> None:
    """Strings are imports in disguise: those of assembly's tables must lead somewhere."""
    from modelport.assembly import LOADERS

    for name, target in LOADERS.items():
        module, _, attribute = target.partition(":")
        loader = getattr(importlib.import_module(module), attribute)()
        assert callable(loader.probe), name
        assert callable(loader.load), name


def test_only_assembly_holds_tables_of_modules() -> None:
    strings = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.value}"
        for path in package_files()
        if layer_of(path) not in ("assembly", "modelport")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("modelport.")
        if ":" in node.value
    ]
    assert not strings


def test_the_ports_stay_few_and_small() -> None:
    """Protocols breed; an eighth, or a fourth method, needs a written reason."""
    protocols = {
        node.name: [item.name for item in node.body if isinstance(item, ast.FunctionDef)]
        for node in tree(PACKAGE / "kernel" / "ports.py").body
        if isinstance(node, ast.ClassDef) and any(isinstance(b, ast.Name) and b.id == "Protocol" for b in node.bases)
    }
    assert len(protocols) <= MOST_PORTS
    assert {name: methods for name, methods in protocols.items() if len(methods) > MOST_METHODS} == {}
