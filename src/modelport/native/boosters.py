"""Libraries beside scikit-learn whose objects are steps of a pipeline: which of their releases stood beside which of its own.

XGBoost says in the file which version wrote it, and so do most builds of CatBoost. LightGBM says the format of its trees, which
many releases share, and imbalanced-learn says nothing: of what is not told the last release is taken that was there while the
stored scikit-learn was new.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from modelport.errors import ArtifactError

_LIGHTGBM = {"v2": {"": "2.3"}, "v3": {"0.24": "4", "": "3"}, "v4": {"1.6": "5", "": "4.6"}}
"""By format, then by the first series of scikit-learn: releases below which the library is taken."""

_CATBOOST = {
    **{"0.19": "0.10", "0.20": "0.13", "0.21": "0.17", "0.22": "0.22", "0.23": "0.24", "0.24": "0.25", "1.0": "1.0"},
    **{"1.1": "1.0.7", "1.2": "1.2", "1.3": "1.2.1", "1.4": "1.2.3", "1.5": "1.2.6", "1.6": "1.2.8", "1.7": "1.2.9"},
    **{"1.8": "1.3"},
}

_IMBALANCED = {
    **{"0.19": "0.4", "0.20": "0.5", "0.21": "0.6", "0.22": "0.7", "0.23": "0.8", "0.24": "0.9", "1.0": "0.9.1"},
    **{"1.1": "0.10", "1.2": "0.11", "1.3": "0.12", "1.4": "0.13", "1.5": "0.13", "1.6": "0.14", "1.7": "0.15"},
    **{"1.8": "0.15", "1.9": "0.16"},
}

_NEEDED_TOO = {
    "catboost": ("graphviz", "plotly"),
    "lightgbm": (),
    "xgboost": (),
    "imbalanced-learn": (),
    "skops": ("packaging", "prettytable", "tabulate"),
}
"""What they import beside the libraries of every environment."""

KNOWN = frozenset(_NEEDED_TOO)

_BESIDE = {
    "xgboost": {
        **{"0.1": "0.19", "0.80": "0.20", "0.90": "0.21", "1.0": "0.22", "1.1": "0.23", "1.3": "0.24", "1.5": "1.0"},
        **{"1.7": "1.2", "2.0": "1.3", "2.1": "1.5", "3.0": "1.6", "3.1": "1.7", "3.2": "1.8"},
    },
    "lightgbm": {"2": "0.20", "3": "1.2", "4": "1.6"},
    "catboost": {
        **{"0.1": "0.20", "0.20": "0.22", "0.24": "0.23", "0.25": "0.24", "1.0": "1.0", "1.1": "1.1", "1.2": "1.2"},
        **{"1.2.2": "1.3", "1.2.5": "1.5", "1.2.8": "1.6"},
    },
}
"""By library, and by its first release or LightGBM's first format: the series of scikit-learn that stood beside it."""


def requirements_of(library: str, version: str, series: tuple[int, ...]) -> list[str]:
    """What is installed for a library beside a series of scikit-learn, such as (1, 2). `version` is what the file says of it.

    Raises ArtifactError where that does not tell enough.
    """
    too = ["sklearn-compat"] if library == "imbalanced-learn" and series >= (1, 6) else []
    return [_itself(library, version, series), *_NEEDED_TOO[library], *too]


def series_beside(versions: Mapping[str, str]) -> str:
    """The series of scikit-learn for a booster that was pickled alone; empty where `versions` tell of no booster."""
    for library in sorted(_BESIDE.keys() & versions.keys()):
        told = tuple(int(part) for part in re.findall(r"\d{1,4}", versions[library])[:3])
        if told:
            return _latest(_BESIDE[library], told)
    return ""


def _itself(library: str, version: str, series: tuple[int, ...]) -> str:
    if library == "skops":  # reads what any release of it wrote, and had holes in former ones
        return library
    if library == "imbalanced-learn":
        return f"{library}<{_latest(_IMBALANCED, series)}"
    if library == "lightgbm" and version in _LIGHTGBM:
        return f"{library}<{_latest(_LIGHTGBM[version], series)}"
    if library == "xgboost" and version.endswith(".*"):  # of 1.0 to 1.2, which store no third number
        first, second = version.split(".")[:2]
        return f"{library}<{first}.{int(second) + 1}"
    if library in ("xgboost", "catboost") and version:
        return f"{library}=={version}"
    if library == "catboost":
        return f"{library}<{_latest(_CATBOOST, series)}"
    raise ArtifactError(f"it needs {library}, whose version it does not store: install the versions that saved it")


def _latest(bounds: Mapping[str, str], series: tuple[int, ...]) -> str:
    """The entry of the newest series that is not newer than this one."""
    known = {_numbers(name): bound for name, bound in bounds.items()}
    fitting = [name for name in known if name <= series]
    return known[max(fitting)] if fitting else known[min(known)]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part)
