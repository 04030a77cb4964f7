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
from modelport.compare.comparison import REQUIREMENTS
from modelport.compare.conduct import refusable_bodies, wrong_bodies
from modelport.compare.contestants import CONTESTANTS
from modelport.compare.environments import Environment
from modelport.compare.generation import able, app_code, model_code, write_contestants
from modelport.compare.graphs import Graph, read_graph
from modelport.compare.guests import GROUPS, GUESTS, guests_of, split_with
from modelport.compare.machine import Cores, choose_cores
from modelport.compare.pool import read_pool, request_bytes, write_pool
from modelport.compare.subject import Subject
from modelport.errors import ConfigError, SetupError

EVERYBODY = (*CONTESTANTS, *GUESTS)


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


def compiled(tmp_path: Path) -> Subject:
    """The same model with a graph."""
    graph = tmp_path / "model.onnx"
    graph.write_bytes(b"graph")
    return subject(graph=Graph(graph, ("labels", "probabilities"), ("Rock", "Hip-Hop")))


def test_each_other_application_answers_every_case_of_its_own(tmp_path: Path) -> None:
    environments = {c.environment: Environment(tmp_path / c.environment) for c in EVERYBODY if c.environment}
    names = sorted({case.function for case in cases.CASES if case.app == cases.WORK})
    for entry in write_contestants(EVERYBODY, compiled(tmp_path), environments, tmp_path / "out", 4):
        assert bool(entry.work_command) == bool(entry.contestant.work_template)
        if entry.work_command:
            code = (entry.folder / "work.py").read_text()
            ast.parse(code)
            quote = '"' if entry.contestant.is_ours else '"/'
            assert [name for name in names if f'{quote}{name}"' not in code] == []
            assert "/m.joblib" not in " ".join(entry.work_command)


@pytest.mark.parametrize("template", sorted({c.template for c in EVERYBODY if c.template}))
def test_each_application_is_python(template: str) -> None:
    contestant = next(c for c in EVERYBODY if c.template == template)
    ast.parse(app_code(contestant, subject(), 4))


def test_names_that_python_does_not_take_become_aliases() -> None:
    fastapi = next(c for c in CONTESTANTS if c.name == "fastapi")
    code = app_code(fastapi, subject(), 4)
    assert 'field_1: int = Field(alias="class")' in code
    assert r'field_2: float = Field(alias="a \"b\"")' in code
    assert "total_tokens = 4" in code
    assert "total_tokens = 40" in app_code(next(c for c in CONTESTANTS if c.name == "fastapi-naive"), subject(), 4)


@pytest.mark.parametrize("name", ["litestar", "blacksheep", "fastapi-pool"])
def test_a_pool_of_threads_has_as_many_as_there_are_slots(name: str, tmp_path: Path) -> None:
    chosen = [c for c in EVERYBODY if c.name == name]
    environments = {c.environment: Environment(tmp_path / c.environment) for c in chosen}
    (entry,) = write_contestants(chosen, subject(), environments, tmp_path / "out", 7)
    for file in ("app.py", "work.py"):
        assert (entry.folder / file).read_text().count("ThreadPoolExecutor(max_workers=7)") == 1


def test_rows_of_numbers_are_an_array_and_all_others_a_table() -> None:
    ast.parse(model_code(subject()))
    assert "np.array(" in model_code(subject())
    texts = subject().described | {"inputs": [{"name": "city", "type": "string", "nullable": True}]}
    assert "pd.DataFrame(" in model_code(subject(described=texts))


def test_each_contestant_has_a_command_that_is_whole(tmp_path: Path) -> None:
    environments = {c.environment: Environment(tmp_path / c.environment) for c in EVERYBODY if c.environment}
    for entry in write_contestants(EVERYBODY, compiled(tmp_path), environments, tmp_path / "out", 4):
        words = " ".join(entry.command)
        assert words.count("{") == words.count("{port}") == 1
        assert "{" not in entry.slots
        script = (entry.folder / ("start_work.sh" if entry.contestant.only_cases else "start.sh")).read_text()
        assert "{" not in script.replace('"{port}"', "")
        assert str(entry.folder) not in script  # the folder of a report may be moved
        assert ("--data /d.csv" in words) == (entry.contestant.is_ours and not entry.contestant.only_cases)


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


def test_guests_come_by_the_name_of_their_framework_and_files_stay_files(tmp_path: Path) -> None:
    assert split_with(["litestar,ray", "scaler.pkl", "bentoml"]) == (("litestar", "ray", "bentoml"), ("scaler.pkl",))
    assert guests_of(["litserve"]) == ["litserve-naive", "litserve"]
    chosen = contestants.select(["flask", *guests_of(["mlserver"])], GUESTS)
    assert [c.name for c in chosen] == ["flask", "mlserver-naive", "mlserver", "modelport"]
    with pytest.raises(
        ConfigError, match="'litstar' is no framework that can be compared, and no file; did you mean 'litestar'"
    ):
        split_with(["litstar"])


@pytest.mark.parametrize("group", GROUPS)
def test_each_guest_comes_in_two_set_ups_with_requirements_that_are_pinned(group: str) -> None:
    guests = [guest for guest in GUESTS if guest.group == group]
    assert len({guest.setup for guest in guests}) == len(guests) == 2
    lines = (REQUIREMENTS / f"{guests[0].environment}.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "==" not in line] == []


def test_a_model_without_a_graph_is_told_of_and_not_asked_of_those_who_run_graphs() -> None:
    chosen, told = able(CONTESTANTS, subject(graph="it reads text"))
    assert "fastapi-onnx" not in [c.name for c in chosen]
    assert told.notes == ("FastAPI with ONNX Runtime, Uvicorn takes no part: it reads text.",)


FACTS: dict[str, Any] = {
    "feed": {"tables": {}, "texts": []},
    "outputs": ["labels", "probabilities"],
    "signature": {"inputs": [{"kind": "float"}], "outputs": [{"kind": "string", "classes": ["a", "b"]}]},
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, None),
        ({"outputs": ["values"], "signature": {"inputs": [], "outputs": [{"kind": "float", "classes": []}]}}, None),
        (
            {"outputs": ["values"], "signature": {"inputs": [], "outputs": [{"kind": "int", "classes": []}]}},
            "whole numbers",
        ),
        ({"feed": {"tables": {"0": ["a"]}, "texts": []}}, "text by tables"),
        ({"outputs": ["labels", "refused"]}, "labels, refused"),
        ({"float_labels": True}, "several outputs"),
    ],
)
def test_a_graph_is_for_others_only_where_they_can_answer_alike(
    tmp_path: Path, changed: dict[str, Any], said: str | None
) -> None:
    (tmp_path / "compiled.json").write_text(json.dumps(FACTS | changed))
    found = read_graph(tmp_path)
    assert isinstance(found, Graph) if said is None else isinstance(found, str) and said in found


def test_the_code_of_a_graph_answers_as_the_graph_does(tmp_path: Path) -> None:
    environments = {"fastapi-onnx": Environment(tmp_path)}
    onnx = [c for c in CONTESTANTS if c.compiled]
    (entry,) = write_contestants(onnx, compiled(tmp_path), environments, tmp_path / "out", 4)
    code = (entry.folder / "model.py").read_text()
    ast.parse(code)
    assert (entry.folder / "model.onnx").read_bytes() == b"graph"
    assert "CLASSES = ['Rock', 'Hip-Hop']" in code


def test_code_that_was_edited_is_kept_only_where_that_is_said(tmp_path: Path) -> None:
    environments = {"flask": Environment(tmp_path / "flask")}
    flask = [c for c in CONTESTANTS if c.name == "flask"]
    (first,) = write_contestants(flask, subject(), environments, tmp_path / "out", 4, keep=True)
    assert first.edited == ()
    as_written = (first.folder / "app.py").read_text()
    (first.folder / "app.py").write_text(f"{as_written}# quicker\n")
    (kept,) = write_contestants(flask, subject(), environments, tmp_path / "out", 4, keep=True)
    assert [name for name, _ in kept.edited] == ["app.py"]
    assert (kept.folder / "app.py").read_text().endswith("# quicker\n")
    (anew,) = write_contestants(flask, subject(), environments, tmp_path / "out", 4)
    assert anew.edited == ()
    assert (anew.folder / "app.py").read_text() == as_written
