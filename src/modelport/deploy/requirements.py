"""What an image installs: exact versions of the packages that are needed, and of all that these need."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from modelport.errors import ConfigError, MissingExtra

if TYPE_CHECKING:
    from packaging.requirements import Requirement

OURS = "modelport"
ACCELERATOR = re.compile(r"(nvidia-|cuda-|cupy|triton$|onnxruntime-gpu$)")
"""Packages that bring CUDA along; gigabytes, and useless without its hardware."""


@dataclass(frozen=True, slots=True, order=True)
class Pin:
    """One line of the image's requirements. `version` is empty where nobody knows which; `line` is what the user wrote then."""

    name: str
    version: str
    license: str = ""
    """An SPDX expression, where the package states one."""
    line: str = ""
    license_name: str = ""
    """What it is called where there is no expression."""

    def __str__(self) -> str:
        return f"{self.name}=={self.version}" if self.version else self.line


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
    """The pins of a requirements file. What is installed here is pinned with all that it needs; what is not stays as written."""
    lines = named_in(path)
    installed = [line for line in lines if _find(canonical(_parse(line, str(path)).name))]
    if not any(canonical(_parse(line, str(path)).name) == OURS for line in lines):
        installed.append(OURS)
    stated = {
        canonical(r.name): next(iter(r.specifier)).version
        for r in (_parse(line, str(path)) for line in lines)
        if len(r.specifier) == 1 and next(iter(r.specifier)).operator == "=="
    }
    pins = {pin.name: pin for pin in close_over(installed, stated)}
    for line in lines:
        name = canonical(_parse(line, str(path)).name)
        if name not in pins:
            pins[name] = Pin(name, stated.get(name, ""), line=line)
    return tuple(sorted(pins.values()))


def named_in(path: Path) -> tuple[str, ...]:
    """The requirements that a file lists, those of files that it includes with `-r`, too. Raises ConfigError with the line."""
    lines: list[str] = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        line = line.partition(" #")[0].strip()
        if not line or line.startswith("#"):
            continue
        if included := re.fullmatch(r"(?:-r|--requirement)[ =]\s*(\S+)", line):
            lines += named_in(path.parent / included[1])
        elif line.startswith("-"):
            raise ConfigError(
                f"{path}, line {number}: {line.split()[0]} is an option of pip, which the image is not built with; "
                "say it when you build, in the environment: --build-arg PIP_EXTRA_INDEX_URL=…"
            )
        else:
            _parse(line, f"{path}, line {number}")
            lines.append(line)
    return tuple(lines)


def accelerators(pins: Iterable[Pin]) -> tuple[str, ...]:
    """Those among them that bring CUDA."""
    return tuple(pin.name for pin in pins if ACCELERATOR.match(pin.name))


def from_other_indexes(pins: Iterable[Pin]) -> tuple[str, ...]:
    """Those whose version is a local one, as 2.4.0+cpu: the index that everybody asks takes none."""
    return tuple(str(pin) for pin in pins if "+" in pin.version)


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
    return [
        need
        for need in needs
        if need.marker is None or any(need.marker.evaluate({**TARGET, "extra": extra}) for extra in extras or {""})
    ]


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
