"""constraints.txt pins every dependency by version alone, and holds no address of anything."""

from __future__ import annotations

import re
import tomllib

from tests.house.source import ROOT

PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.]*")
NAME = re.compile(r"[A-Za-z0-9._-]+")
NOT_PINNED = {
    "modelport",
    "torch",
    "tensorflow",
    "tf2onnx",
}  # ourselves, and those of half a gigabyte, which no test run installs


def test_every_line_is_a_name_and_a_version() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#") and not PIN.fullmatch(line)] == []


def test_everything_that_we_ask_for_is_pinned() -> None:
    pinned = {_canonical(line.split("==")[0]) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert {name for name in _wanted() if name not in pinned} == set()


def _wanted() -> set[str]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        content = tomllib.load(file)
    project = content["project"]
    lists = [
        project["dependencies"],
        content["build-system"]["requires"],
        *project["optional-dependencies"].values(),
        *content["dependency-groups"].values(),
    ]
    found = [NAME.match(line) for lines in lists for line in lines]
    return {_canonical(name[0]) for name in found if name} - NOT_PINNED


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
