"""What an image installs: exact versions of the packages that are needed, and of all that these need."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from modelport.errors import ConfigError, MissingExtra

if TYPE_CHECKING:
    from packaging.requirements import Requirement

OURS = "modelport"
WHEEL = "build a wheel of it into the folder wheels, write its name and version here, and say --wheels"
ACCELERATOR = re.compile(r"(nvidia-|cuda-|cupy|pycuda|tensorrt|jax-cuda|triton$|.*-gpu$|.*-cu1\d$)")
"""Packages that bring CUDA along; gigabytes, and useless without its hardware."""


@dataclass(frozen=True, slots=True, order=True)
class Pin:
    """One line of the image's requirements. `version` is empty where nobody knows it; `line` is the user's, where it says more."""

    name: str
    version: str
    license: str = ""
    """An SPDX expression, where the package states one."""
    line: str = ""
    license_name: str = ""
    """What it is called where there is no expression."""
    hashes: tuple[str, ...] = ()
    """Of its files, as the user's list states them for this version."""

    def __str__(self) -> str:
        return self.line or f"{self.name}=={self.version}"


def close_over(needs: Iterable[str], recorded: Mapping[str, str]) -> tuple[Pin, ...]:
    """The packages and all that they need, at the versions of this environment, or at those that were `recorded` elsewhere.

    Raises ConfigError where one is neither recorded nor installed, since nobody could say which version is right.
    """
    known = {canonical(name): version for name, version in recorded.items()}
    found: dict[str, Pin] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [_parse(need, "what is shipped") for need in needs]
    while waiting:
        requirement = waiting.pop()
        name, extras = canonical(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        installed = _find(name)
        version = known.get(name) or (installed.version if installed else "")
        if not version:
            raise ConfigError(
                f"{requirement.name} is not installed here, so nobody can say which version the image should have: "
                f"pip install '{requirement}'"
            )
        found[name] = Pin(name, version, _license(installed), license_name=_license_name(installed))
        if installed is not None:
            waiting += _needs(installed, extras)
    return tuple(sorted(found.values()))


def read_requirements(path: Path) -> tuple[Pin, ...]:
    """The pins of a requirements file. What is installed here is pinned with all that it needs; what is not stays as written.

    Raises ConfigError with the line for what an image cannot be built with, and where another version is installed than it allows.
    """
    listed = [_parse(line, str(path)) for line in named_in(path)]
    wanted = [requirement for requirement in listed if _applies(requirement)]
    stated = {canonical(r.name): version for r in wanted if (version := _stated(r))}
    fixed = {name: version for name, version in stated.items() if not _is_here(name, version)}
    for requirement in wanted:
        _refuse_other_version(requirement, path, fixed)
    installed = [str(r).partition(" @ ")[0] for r in wanted if _find(canonical(r.name))]
    ours = [] if any(canonical(r.name) == OURS for r in wanted) else [OURS]
    pins = {pin.name: pin for pin in close_over([*installed, *ours], fixed)}
    for requirement in wanted:
        name = canonical(requirement.name)
        if requirement.url or name not in pins:
            known = pins.get(name, Pin(name, stated.get(name, "")))
            pins[name] = replace(known, line=str(requirement))
    hashes = _hashes_in(path)
    return tuple(replace(pin, hashes=hashes.get((pin.name, pin.version), ())) for pin in sorted(pins.values()))


def _applies(requirement: Requirement, extra: str = "") -> bool:
    """Whether its marker holds in the image, with the Python of here."""
    return requirement.marker is None or requirement.marker.evaluate({**TARGET, "extra": extra})


def _stated(requirement: Requirement) -> str:
    """The one version that it names; empty where it names none, or many as `==1.*` does."""
    found = [clause for clause in requirement.specifier if clause.operator in ("==", "===")]
    exact = len(requirement.specifier) == 1 and found and not found[0].version.endswith("*")
    return found[0].version if exact else ""


def _is_here(name: str, version: str) -> bool:
    """Whether it is installed in this version, or in a build of it: 2.4.0+cpu is 2.4.0."""
    installed = _find(name)
    return installed is not None and _parse(f"{name}=={version}", name).specifier.contains(installed.version, True)


def _refuse_other_version(requirement: Requirement, path: Path, fixed: Mapping[str, str]) -> None:
    installed = _find(canonical(requirement.name))
    if installed is None or canonical(requirement.name) in fixed or requirement.url:
        return
    if not requirement.specifier.contains(installed.version, prereleases=True):
        raise ConfigError(
            f"{path}: {requirement} is wanted, and {installed.version} is installed here, which would be measured: "
            f"pip install '{requirement}'"
        )


def named_in(path: Path) -> tuple[str, ...]:
    """The requirements that a file lists, those of files that it includes with `-r`, too. Raises ConfigError with the line."""
    return tuple(line for line, _ in _listed(path))


def _listed(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each with the hashes that are stated for it."""
    for number, line in _lines(path):
        if included := re.fullmatch(r"(?:-r|--requirement)[ =]\s*(\S+)", line):
            yield from _listed(path.parent / included[1])
        elif re.match(r"(-c|--constraint|--require-hashes)\b", line):
            continue  # what is installed here is what they allowed
        elif line.startswith("-"):
            _refuse_option(line, f"{path}, line {number}")
        else:
            hashes = tuple(re.findall(r"--hash[ =](\S+)", line))
            plain = re.sub(r"\s+--hash[ =]\S+", "", line)
            if "file:" in (_parse(plain, f"{path}, line {number}").url or ""):
                raise ConfigError(f"{path}, line {number}: {plain.split()[0]} lies on this machine alone: {WHEEL}")
            yield plain, hashes


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Without comments; a line that ends with a backslash goes on in the next one."""
    begun, first = "", 0
    for number, text in enumerate(_text(path).splitlines(), 1):
        line = "" if text.lstrip().startswith("#") else text.partition(" #")[0].strip()
        first = first if begun else number
        begun += line.removesuffix("\\") + " " * line.endswith("\\")
        if not line.endswith("\\") and begun.strip():
            yield first, begun.strip()
        if not line.endswith("\\"):
            begun = ""


def _refuse_option(line: str, place: str) -> None:
    option = re.split(r"[ =]", line)[0]
    if option in ("-e", "--editable"):
        raise ConfigError(f"{place}: {line} is a folder of this machine: {WHEEL}")
    raise ConfigError(
        f"{place}: {option} is an option of pip, which the image is not built with; "
        "say it when you build, in the environment: --build-arg PIP_EXTRA_INDEX_URL=…"
    )


def _hashes_in(path: Path) -> dict[tuple[str, str], tuple[str, ...]]:
    """By name and version."""
    listed = ((_parse(line, str(path)), hashes) for line, hashes in _listed(path))
    return {(canonical(wanted.name), _stated(wanted)): hashes for wanted, hashes in listed if hashes}


def accelerators(pins: Iterable[Pin]) -> tuple[str, ...]:
    """Those among them that bring CUDA."""
    return tuple(pin.name for pin in pins if ACCELERATOR.match(pin.name))


def needed_by(name: str, pins: Iterable[Pin]) -> tuple[str, ...]:
    """Those among them that ask for it."""
    asking = ((pin.name, _find(pin.name)) for pin in pins)
    return tuple(
        n for n, found in asking if found and any(canonical(r.name) == name for r in _needs(found, frozenset()))
    )


def other_than_here(pins: Iterable[Pin]) -> tuple[str, ...]:
    """Those that were measured in another version than the image will have."""
    here = ((pin, _find(pin.name)) for pin in pins)
    return tuple(f"{pin} ({found.version} here)" for pin, found in here if found and found.version != pin.version)


def not_here(pins: Iterable[Pin]) -> tuple[str, ...]:
    """Those that are not installed here, so that nobody knows what they need."""
    return tuple(str(pin) for pin in pins if _find(pin.name) is None)


def without_hashes(pins: Iterable[Pin]) -> tuple[str, ...]:
    """Those that have none, where others do: pip wants them for all or for none."""
    every = tuple(pins)
    return tuple(str(pin) for pin in every if not pin.hashes) if any(pin.hashes for pin in every) else ()


def from_other_indexes(pins: Iterable[Pin]) -> tuple[str, ...]:
    """Those whose version is a local one, as 2.4.0+cpu: the index that everybody asks takes none."""
    return tuple(str(pin) for pin in pins if "+" in pin.version and not pin.line)


def canonical(name: str) -> str:
    """As PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_from_folder() -> bool:
    """Whether this Modelport is no release, but was installed from a folder."""
    found = _find(OURS)
    return found is not None and '"dir_info"' in (found.read_text("direct_url.json") or "")


def _text(path: Path) -> str:
    """Windows' shells write UTF-16 when a list is redirected into a file."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is no text: write one package a line") from None


def _parse(line: str, place: str) -> Requirement:
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError:
        raise MissingExtra("shipping", "ship") from None
    try:
        return Requirement(line)
    except InvalidRequirement as error:
        raise ConfigError(f"{place}: {line!r} names no package: {str(error).splitlines()[0]}") from None


@cache
def _find(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _needs(installed: Distribution, extras: frozenset[str]) -> list[Requirement]:
    needs = [_parse(line, installed.name) for line in installed.requires or ()]
    return [need for need in needs if any(_applies(need, extra) for extra in extras or {""})]


TARGET = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
"""Where the image runs, wherever this does."""


def _license(installed: Distribution | None) -> str:
    """The SPDX expression, where the package states one."""
    return str(installed.metadata.json.get("license_expression") or "") if installed else ""


def _license_name(installed: Distribution | None) -> str:
    """By its classifiers, as packages said it before there were expressions."""
    classified = installed.metadata.get_all("Classifier") or [] if installed else []
    names = [line.rpartition(" :: ")[2] for line in classified if line.startswith("License ::")]
    return " or ".join(sorted(set(names) - {"OSI Approved"}))
