"""Which modules are the user's own, and which a package brings that is installed wherever the model is served."""

from __future__ import annotations

import ast
import sys
import sysconfig
from importlib.metadata import packages_distributions
from pathlib import Path

from modelport.errors import ArtifactError

MOST_BYTES = 5 * 2**20
"""Of source. More is no helper module of a notebook."""


def is_local(module: str) -> bool:
    """Whether a module is a file of the user's that no package has installed."""
    root = module.partition(".")[0]
    if root == "__main__":
        return True
    if root in sys.builtin_module_names or root in sys.stdlib_module_names or root == "modelport":
        return False
    file = getattr(sys.modules.get(root), "__file__", None)
    if file is None:
        return False
    path = Path(file).resolve()
    installed = [Path(place).resolve() for place in set(sysconfig.get_paths().values())]
    scripts = {Path(sysconfig.get_path("scripts")).resolve(), Path(sysconfig.get_path("data")).resolve()}
    if any(place in path.parents for place in installed if place not in scripts):
        return False
    return (
        "site-packages" not in path.parts and "dist-packages" not in path.parts and root not in packages_distributions()
    )


def local_files(module: str) -> dict[str, str]:
    """The source of a local module, or of the whole package around it, and of the local modules that these import.

    By path, as it must lie to be imported. Raises ArtifactError where a file is no Python source.
    """
    found: dict[str, str] = {}
    waiting, seen = [module.partition(".")[0]], set()
    while waiting:
        root = waiting.pop()
        if root in seen or root == "__main__" or not is_local(root):
            continue
        seen.add(root)
        files = _files_of(root)
        found |= files
        waiting += [name for text in files.values() for name in _imported(text) if name in sys.modules]
    if sum(map(len, found.values())) > MOST_BYTES:
        raise ArtifactError(
            f"the modules around {module!r} hold more than {MOST_BYTES // 2**20} MiB of source: install them"
        )
    return found


def _files_of(root: str) -> dict[str, str]:
    file = Path(str(sys.modules[root].__file__)).resolve()
    if file.suffix != ".py":
        raise ArtifactError(f"the module {root!r} ({file}) is no Python source: install it where the model is served")
    if file.name != "__init__.py":
        return {f"{root}.py": file.read_text(encoding="utf-8")}
    folder = file.parent
    return {
        f"{root}/{path.relative_to(folder).as_posix()}": path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*.py"))
    }


def _imported(text: str) -> list[str]:
    """The first names of what a source imports, not from beside itself."""
    names = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module.partition(".")[0])
    return names
