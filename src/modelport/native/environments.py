"""Native environments: the libraries that saved a model, in the versions of that time, beside an interpreter of that time.

Built once from wheels alone and kept in a folder by what they hold; removed by `modelport cache remove`, or with their folder.
One looks like a folder of `venv`, but nothing of the interpreter is run to make it: old ones bring no working installer, or none.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from modelport.errors import ArtifactError
from modelport.native.early import command_in
from modelport.native.installers import NotHere, install
from modelport.native.interpreters import find_interpreters
from modelport.native.ownership import refuse_others
from modelport.native.versions import Need

FOLDER, ABOUT, DRAFT = "native", "environment.json", "draft-"
CHECK_S = 180.0
"""How long the libraries may take to be imported for the first time, when Python compiles them."""

Progress = Callable[[str, float], None]
"""Told what is being done, and which share of the whole is done, from 0 to 1."""

_IMPORT = """
import json, sys
found = {"python": "%d.%d.%d" % sys.version_info[:3]}
for module, name in json.loads(sys.argv[1]):
    found[name] = str(getattr(__import__(module), "__version__", ""))
print("\\n" + json.dumps(found))
"""
_MODULES = {
    **{"scikit-learn": "sklearn", "numpy": "numpy", "scipy": "scipy", "joblib": "joblib", "pandas": "pandas"},
    **{"xgboost": "xgboost", "lightgbm": "lightgbm", "catboost": "catboost", "imbalanced-learn": "imblearn"},
    "skops": "skops",
}


@dataclass(frozen=True, slots=True)
class Environment:
    """One that is whole.

    `versions` are those of its libraries and of Python; `digest` is that of what was installed; `size` in bytes.
    """

    folder: Path
    versions: dict[str, str]
    digest: str
    size: int

    @property
    def python(self) -> Path:
        """The interpreter, which finds the libraries of this environment and no others."""
        return self.folder / "bin" / "python"

    def command(self, script: Path, *arguments: str) -> list[str]:
        """Runs a script with the libraries of this environment alone."""
        return command_in(self.folder, script, *arguments)


def _quiet(_: str, __: float) -> None:
    pass


def provide(need: Need, cache: Path, progress: Progress = _quiet) -> Environment:
    """The environment from the cache folder, or built now. Raises ArtifactError with what is missing, and what to do about it."""
    base = cache / FOLDER
    found = find(need, cache)
    if found is not None:
        return found
    try:
        base.mkdir(parents=True, exist_ok=True, mode=0o700)
        refuse_others(base)
        with _lock(base / f"{need.key}.lock"):
            return find(need, cache) or _build(need, base, progress)
    except OSError as error:
        raise ArtifactError(
            f"the environment of {need.requirements[0]} cannot be kept in {base}: {error.strerror or error}; "
            "say --cache-dir FOLDER, or make room with  modelport cache remove"
        ) from None


def find(need: Need, cache: Path) -> Environment | None:
    """The environment, if it was built before. Raises ArtifactError where others than this user may have put it there."""
    folder = cache / FOLDER / need.key
    found = read_environment(folder)
    if found is None or not found.python.exists():  # the interpreter that it was built for was removed
        return None
    for place in (folder.parent, folder):  # who may write to the former can put another in its place at any time
        refuse_others(place)
    with suppress(OSError):
        os.utime(folder)
    return found


def read_environment(folder: Path) -> Environment | None:
    """What lies in a folder, if it is whole."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        return Environment(folder, about["versions"], about["digest"], about["size"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Of several processes that need the same, one builds it."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# -- building ------------------------------------------------------------------------------------------------------


def _build(need: Need, base: Path, progress: Progress) -> Environment:
    """With the first interpreter for which there are wheels."""
    start = f"{DRAFT}{need.key}-"
    _sweep(base, start)
    refusals = []
    for version, python in find_interpreters(need.pythons):
        draft = Path(tempfile.mkdtemp(prefix=start, dir=base))
        try:
            _fill(draft, need, version, python, progress)
            return _keep(draft, base / need.key)
        except NotHere as error:
            refusals.append(str(error))
        finally:
            _sweep(base, start)
    raise ArtifactError(refusals[0])


def _sweep(base: Path, start: str) -> None:
    """What a process that was killed has left, and its installer may still be writing: who builds now is alone."""
    for left in base.glob(f"{start}*"):
        shutil.rmtree(left, ignore_errors=True)


def _fill(draft: Path, need: Need, version: str, python: Path, progress: Progress) -> None:
    name = need.requirements[0].replace("==", " ")
    progress(f"installing {name} for Python {version}", 0.0)
    (draft / "bin").mkdir()
    (draft / "bin" / "python").symlink_to(python.resolve())
    config = f"home = {python.resolve().parent}\ninclude-system-site-packages = false\n"
    (draft / "pyvenv.cfg").write_text(config, encoding="utf-8")
    packages = draft / "lib" / f"python{version}" / "site-packages"
    packages.mkdir(parents=True)
    install(
        need, version, python, packages, lambda done: progress(f"installing {name} for Python {version}", done * 0.8)
    )
    progress(f"importing {name} for the first time", 0.8)
    versions = _import(draft / "bin" / "python", need)
    size = sum(file.stat().st_size for file in draft.rglob("*") if file.is_file() and not file.is_symlink())
    about = {"versions": versions, "digest": _digest(packages, versions), "size": size}
    (draft / ABOUT).write_text(json.dumps(about, indent=1, sort_keys=True), encoding="utf-8")
    progress(f"{name} is there", 1.0)


def _keep(draft: Path, folder: Path) -> Environment:
    """In its place: it is whole, or it is not there, whenever this process ends."""
    if os.path.lexists(folder):
        folder.rename(draft.with_name(f"{draft.name}-before"))
    draft.rename(folder)
    shutil.rmtree(draft.with_name(f"{draft.name}-before"), ignore_errors=True)
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    return Environment(folder, about["versions"], about["digest"], about["size"])


def _import(python: Path, need: Need) -> dict[str, str]:
    """The versions that answer when they are asked. Raises ArtifactError where they do not work on this machine."""
    names = [name for name in _MODULES if any(_named(r) == name for r in need.requirements)]
    asked = json.dumps([(_MODULES[name], name) for name in names])
    command = [str(python), "-I", "-W", "ignore", "-c", _IMPORT, asked]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_S, check=False)
    except subprocess.TimeoutExpired:
        raise NotHere(f"{need.requirements[0]} takes more than {CHECK_S:.0f} s to be imported") from None
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise NotHere(f"{need.requirements[0]} does not work on this machine: {said[:300]}")
    found: dict[str, str] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _named(requirement: str) -> str:
    return requirement.partition("=")[0].partition("<")[0]


def _digest(packages: Path, versions: dict[str, str]) -> str:
    """Of what was installed: wheels list the digests of their files."""
    total = hashlib.sha256(versions["python"].encode())
    for record in sorted(packages.glob("*.dist-info/RECORD")):
        total.update(record.parent.name.encode() + b"\0" + b"".join(_lines(record)))
    return total.hexdigest()


def _lines(record: Path) -> list[bytes]:
    """All but those of programs, which name the folder that they were installed from."""
    return sorted(line for line in record.read_bytes().splitlines(True) if b"bin/" not in line.partition(b",")[0])
