"""Contestants are code that runs: generated, compiled, and asked here as far as their frameworks are installed."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from modelport.compare import cases, contestants
from modelport.compare.conduct import refusable_bodies, wrong_bodies
from modelport.compare.contestants import CONTESTANTS
from modelport.compare.environments import Environment
from modelport.compare.generation import app_code, model_code, write_contestants
from modelport.compare.machine import Cores, choose_cores
from modelport.compare.pool import read_pool, request_bytes, write_pool
from modelport.compare.subject import Subject
from modelport.errors import SetupError


def subject(**changes: Any) -> Subject:
    """A model with one awkward input."""
    inputs = [
        {"name": "tempo", "type": "float", "nullable": False},
        {"name": "class", "type": "int", "nullable": False},
        {"name": 'a "b"', "type": "float", "nullable": False},
    ]
    output = {"name": "prediction", "type": "string", "probabilities": True}
    described = {"inputs": inputs, "outputs": [output], "version": "1", "form": "compiled"}
    rows = tuple({"tempo": float(n), "class": n, 'a "b"': 0.5} for n in range(100))
    return dataclasses.replace(Subject("m", Path("/m.joblib"), described, rows, ("--data", "/d.csv"), ()), **changes)


def test_each_other_application_answers_every_case_of_its_own(tmp_path: Path) -> None:
    environments = {name: Environment(tmp_path / name) for name in ("flask", "fastapi")}
    names = sorted({case.function for case in cases.CASES if case.app == cases.WORK})
    for entry in write_contestants(CONTESTANTS, subject(), environments, tmp_path / "out", 4):
        assert bool(entry.work_command) == bool(entry.contestant.work_template)
        if entry.work_command:
            code = (entry.folder / "work.py").read_text()
            ast.parse(code)
            quote = '"' if entry.contestant.is_ours else '"/'
            assert [name for name in names if f'{quote}{name}"' not in code] == []
            assert "/m.joblib" not in " ".join(entry.work_command)


@pytest.mark.parametrize("template", sorted({c.template for c in CONTESTANTS if c.template}))
def test_each_application_is_python(template: str) -> None:
    contestant = next(c for c in CONTESTANTS if c.template == template)
    ast.parse(app_code(contestant, subject(), 4))


def test_names_that_python_does_not_take_become_aliases() -> None:
    fastapi = next(c for c in CONTESTANTS if c.name == "fastapi")
    code = app_code(fastapi, subject(), 4)
    assert 'field_1: int = Field(alias="class")' in code
    assert r'field_2: float = Field(alias="a \"b\"")' in code
    assert "total_tokens = 4" in code
    assert "total_tokens = 40" in app_code(next(c for c in CONTESTANTS if c.name == "fastapi-naive"), subject(), 4)


def test_rows_of_numbers_are_an_array_and_all_others_a_table() -> None:
    ast.parse(model_code(subject()))
    assert "np.array(" in model_code(subject())
    texts = subject().described | {"inputs": [{"name": "city", "type": "string", "nullable": True}]}
    assert "pd.DataFrame(" in model_code(subject(described=texts))


def test_each_contestant_has_a_command_that_is_whole(tmp_path: Path) -> None:
    environments = {name: Environment(tmp_path / name) for name in ("flask", "fastapi")}
    for entry in write_contestants(CONTESTANTS, subject(), environments, tmp_path / "out", 4):
        words = " ".join(entry.command)
        assert words.count("{") == words.count("{port}") == 1
        assert "{" not in entry.slots
        assert "{" not in (entry.folder / "start.sh").read_text().replace('"{port}"', "")
        assert ("--data /d.csv" in words) == entry.contestant.is_ours


def test_ours_always_takes_part_and_an_unknown_name_is_told_the_nearest() -> None:
    assert [c.name for c in contestants.select(["flask"])] == ["flask", "modelport"]
    with pytest.raises(SetupError, match="did you mean 'fastapi-async'"):
        contestants.select(["fastapi-asinc"])
    with pytest.raises(SetupError, match="did you mean 'one-row'"):
        cases.select(["one-rows"])


def test_bodies_of_64_rows_have_64_rows_and_differ() -> None:
    wide = next(case for case in cases.CASES if case.rows == 64)
    small = subject(rows=tuple({"x": n} for n in range(130)))
    bodies = cases.bodies_of(wide, small)
    assert [len(ast.literal_eval(body.decode())) for body in bodies] == [64, 64]
    assert len(set(bodies)) == 2


def test_each_wrong_body_is_wrong_in_its_own_way_only() -> None:
    bodies = wrong_bodies(subject())
    assert len(set(bodies.values())) == len(bodies) == 7
    right = subject().rows[0]
    assert json.loads(bodies["a field is missing"]) == {k: v for k, v in right.items() if k != "tempo"}
    assert json.loads(bodies["a word in place of a number"]) == {**right, "tempo": "many"}


def test_a_pool_gives_back_the_bytes_it_was_given(tmp_path: Path) -> None:
    requests = [request_bytes("POST", "/p", b"\n12\n{}", {"Content-Type": "x"}), request_bytes("GET", "/", b"", {})]
    assert read_pool(write_pool(requests, tmp_path / "pool")) == requests


def test_server_and_generator_never_share_a_core() -> None:
    assert choose_cores({0, 1, 2, 5}, 2) == Cores((0, 1), 5)
    with pytest.raises(SetupError, match="may use 1: a generator that shares"):
        choose_cores({3}, 1)
    with pytest.raises(SetupError, match="Ask for fewer with --cores"):
        choose_cores({0, 1}, 2)


def test_every_run_of_the_counted_model_leaves_a_byte_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAIT_S", "0.001")
    environments = {"flask": Environment(tmp_path / "flask")}
    flask = tuple(c for c in CONTESTANTS if c.name == "flask")
    folder = write_contestants(flask, subject(), environments, tmp_path / "out", 4)[0].folder
    spec = importlib.util.spec_from_file_location("tasks_of_flask", folder / "tasks.py")
    assert spec is not None
    assert spec.loader is not None
    tasks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tasks)
    tasks.release_gil()
    tasks.release_gil()
    tasks.hold_gil()
    tasks.COMPUTED.close()
    assert (folder / "computed").read_bytes() == b".."


def test_clients_of_an_overload_say_how_long_they_wait() -> None:
    overload = next(case for case in cases.CASES if case.kind == cases.OVERLOAD)
    request = cases.requests_of(overload, CONTESTANTS[-1], subject())[0]
    assert request.startswith(b"POST /models/release-gil/predict ")
    assert b"\r\nRequest-Timeout: 1\r\n" in request


def test_what_some_frameworks_may_ignore_is_no_invalid_input() -> None:
    assert set(wrong_bodies(subject())) - set(refusable_bodies(subject())) == {"a field that is unknown"}
