"""Compiled forms in real processes: at the first start, the second, with a compiler that fails, and over a reload."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from tests.process.engine import Served, descendants, serve, until

ROW = [0.1, 0.2, 0.3, 0.4]
RECORD = dict(zip(("x0", "x1", "x2", "x3"), ROW, strict=True))


@pytest.fixture
def forest(tmp_path: Path) -> Path:
    """A model that is compiled in a second or two."""
    from sklearn.ensemble import RandomForestClassifier

    return save(RandomForestClassifier(10, random_state=0), tmp_path)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    """A cache of its own."""
    folder = tmp_path / "cache"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def save(estimator: Any, folder: Path) -> Path:
    inputs = np.random.default_rng(0).random((200, 4))
    labels = np.where(inputs.sum(axis=1) > 2, "much", "little")
    joblib.dump(estimator.fit(inputs, labels), folder / "model.joblib")
    return folder / "model.joblib"


def about(served: Served) -> Any:
    return served.get("/models/model").json


def libraries_of(served: Served) -> str:
    """What is mapped into the memory of every process of the service."""
    pids = [served.process.pid, *(pid for pid, _ in descendants(served.process.pid))]
    return "".join(Path(f"/proc/{pid}/maps").read_text() for pid in pids)


def test_the_first_start_compiles_and_the_second_needs_no_training_library(forest: Path, cache: Path) -> None:
    original = joblib.load(forest).predict_proba([ROW])[0].tolist()
    with serve(forest, "--cache-dir", str(cache), ready=False) as served:
        served.wait_for("compiling the model", 20)
        served.wait_for("serves model at", 40)
        said = served.text()
    assert "compiled parity" in said
    assert "runs     inline (compiled" in said
    with serve(forest, "--cache-dir", str(cache)) as served:
        assert "compiling" not in served.text()
        answer = served.predict(RECORD).json
        assert list(answer["probabilities"].values()) == original
        found = about(served)
        assert (found["executor"], found["form"]) == ("inline", "compiled")
        assert found["parity"]["equal"] == found["parity"]["rows"] > 1000
        assert found["memory_bytes"]["original"] > found["memory_bytes"]["compiled"] > 0
        mapped = libraries_of(served)
        assert "onnxruntime" in mapped
        assert "/sklearn/" not in mapped
        assert "/scipy/" not in mapped


def test_while_it_compiles_readiness_and_predictions_say_so(forest: Path, cache: Path) -> None:
    with serve(forest, "--cache-dir", str(cache), "--port", "0", ready=False) as served:
        served.wait_for("compiling the model", 20)
        compiler = next(pid for pid, command in descendants(served.process.pid) if "assembly.compiler" in command)
        os.kill(compiler, signal.SIGSTOP)
        served.port = _port_of(served)
        until(lambda: served.get("/readyz").json.get("state") == "compiling", 5)
        refused = served.predict(RECORD)
        assert refused.status == 503
        assert "still compiling" in refused.json["detail"][0]["msg"]
        assert served.get("/livez").status == 200
        os.kill(compiler, signal.SIGCONT)
        until(lambda: served.get("/readyz").status == 200, 40)


def _port_of(served: Served) -> int:
    """Where it listens: the banner is not printed yet."""
    sockets = {link for fd in Path(f"/proc/{served.process.pid}/fd").iterdir() if "socket" in (link := os.readlink(fd))}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
            return int(fields[1].rpartition(":")[2], 16)
    raise AssertionError("it does not listen")


@pytest.mark.slow
def test_a_compiler_that_dies_leaves_the_original_to_serve(forest: Path, cache: Path) -> None:
    with serve(forest, "--cache-dir", str(cache), ready=False) as served:
        served.wait_for("compiling the model", 20)
        compiler = next(pid for pid, command in descendants(served.process.pid) if "assembly.compiler" in command)
        os.kill(compiler, signal.SIGKILL)
        served.wait_for("serves model at", 30)
        served.port = _port_of(served)
        assert "original the compiler ended: killed by SIGKILL" in served.text()
        assert about(served)["executor"] == "process"
        assert served.predict(RECORD).status == 200


@pytest.mark.slow
def test_what_cannot_be_compiled_is_served_by_its_library_which_the_second_start_knows(
    tmp_path: Path, cache: Path
) -> None:
    from sklearn.neighbors import RadiusNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    model = save(make_pipeline(FunctionTransformer(np.cbrt), RadiusNeighborsClassifier(10.0)), tmp_path)
    for start in range(2):
        with serve(model, "--cache-dir", str(cache)) as served:
            assert ("compiling" in served.text()) == (start == 0)
            assert "original " in served.text()
            found = about(served)
            assert (found["executor"], found["form"]) == ("process", "original")
            assert found["why"]
            assert served.predict(RECORD).status == 200
    with serve(model, "--cache-dir", str(cache), "--require-compiled", ready=False) as served:
        assert served.process.wait(30) == 2
        assert "--require-compiled: " in served.text()
        assert "Traceback" not in served.text()


@pytest.mark.slow
def test_not_compiling_is_as_said(forest: Path, cache: Path) -> None:
    with serve(forest, "--cache-dir", str(cache), "--no-compile") as served:
        assert about(served)["executor"] == "process"
        assert "original as configured (--no-compile)" in served.text()
        assert not cache.exists()


@pytest.mark.slow
def test_a_damaged_cache_is_compiled_anew(forest: Path, cache: Path) -> None:
    with serve(forest, "--cache-dir", str(cache)):
        pass
    (graph,) = cache.rglob("model.onnx")
    graph.write_bytes(graph.read_bytes()[:-20])
    with serve(forest, "--cache-dir", str(cache)) as served:
        assert "compiling the model" in served.text()
        assert about(served)["form"] == "compiled"
        assert served.predict(RECORD).status == 200


@pytest.mark.slow
def test_where_the_cache_cannot_be_written_a_private_folder_takes_its_place(
    forest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    private = tmp_path / f"modelport-{os.geteuid()}"
    with serve(forest, "--cache-dir", str(tmp_path / "file")) as served:
        assert "cannot be written: what was compiled is kept in" in served.text()
        assert about(served)["form"] == "compiled"
        assert served.predict(RECORD).status == 200
        assert private.stat().st_mode & 0o777 == 0o700
    with serve(forest, "--cache-dir", str(tmp_path / "file")) as served:
        assert "compiling" not in served.text()
        assert about(served)["form"] == "compiled"


@pytest.mark.slow
def test_where_nothing_can_be_written_the_original_serves(
    forest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    code = "import tempfile; tempfile.gettempdir = tempfile._get_default_tempdir = lambda *a: '/dev/null/none'"
    (tmp_path / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with serve(forest, "--cache-dir", str(tmp_path / "file")) as served:
        assert "cannot be kept" in served.text()
        assert served.predict(RECORD).status == 200


@pytest.mark.slow
def test_a_reload_brings_the_form_of_the_new_file(forest: Path, cache: Path, tmp_path: Path) -> None:
    from sklearn.neighbors import RadiusNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    other = tmp_path / "other"
    other.mkdir()
    plain = save(make_pipeline(FunctionTransformer(np.cbrt), RadiusNeighborsClassifier(10.0)), other)
    compiled = shutil.copy(forest, other / "forest.joblib")
    with serve(forest, "--cache-dir", str(cache), "--workers", "2") as served:
        for _ in range(2):
            shutil.copy(plain, forest)
            served.signal(signal.SIGHUP)
            until(lambda: about(served).get("executor") == "process", 40)
            until(lambda: len(served.children("worker")) == 2 and len(served.children("holder")) == 2, 20)
            assert all(served.predict(RECORD).status == 200 for _ in range(20))
            shutil.copy(compiled, forest)
            served.signal(signal.SIGHUP)
            until(lambda: about(served).get("executor") == "inline", 40)
            until(lambda: len(served.children("worker")) == 2 and not served.children("holder"), 20)
            assert all(served.predict(RECORD).status == 200 for _ in range(20))
        assert "Traceback" not in served.text()


@pytest.mark.slow
def test_a_reload_to_a_file_that_does_not_load_leaves_the_compiled_form_to_serve(forest: Path, cache: Path) -> None:
    whole = forest.read_bytes()
    with serve(forest, "--cache-dir", str(cache)) as served:
        for _ in range(2):
            forest.write_bytes(whole[:-20])
            served.signal(signal.SIGHUP)
            times = served.text().count("what served before goes on")
            served.wait_for("what served before goes on", 30, times + 1)
            until(lambda: not served.children("holder"), 10)
            assert served.predict(RECORD).status == 200
        forest.write_bytes(whole)
        workers = served.children("worker")
        served.signal(signal.SIGHUP)
        until(lambda: not set(workers) & set(served.children("worker")), 20)
        assert served.predict(RECORD).status == 200
        assert "Traceback" not in served.text()


@pytest.mark.slow
def test_a_worker_that_comes_back_after_the_file_was_replaced_serves_what_was_decided(
    forest: Path, cache: Path
) -> None:
    with serve(forest, "--cache-dir", str(cache), "--workers", "2") as served:
        before, answer = about(served)["version"], served.predict(RECORD).json
        replace_by_another(forest)
        gone: set[int] = set()
        for pid in served.children("worker"):
            gone.add(pid)
            os.kill(pid, signal.SIGKILL)
            until(lambda: len(set(served.children("worker")) - gone) == 2, 20)
            until(lambda: served.get("/readyz").status == 200, 20)
        replies = [served.predict(RECORD) for _ in range(20)]
        assert {reply.headers["model-version"] for reply in replies} == {before}
        assert all(reply.json == answer for reply in replies)
        served.signal(signal.SIGHUP)
        until(lambda: about(served)["version"] != before, 40)


@pytest.mark.slow
def test_a_holder_whose_file_was_replaced_is_refused_while_the_others_go_on(forest: Path, cache: Path) -> None:
    with serve(forest, "--cache-dir", str(cache), "--no-compile") as served:
        until(lambda: len(served.children("holder")) == 2, 20)
        before = about(served)["version"]
        replace_by_another(forest)
        os.kill(max(served.children("holder")), signal.SIGKILL)  # the standby
        served.wait_for("model.joblib was replaced since the start or the last reload; send SIGHUP", 30)
        assert about(served)["version"] == before
        assert served.predict(RECORD).status == 200
        served.signal(signal.SIGHUP)
        until(lambda: about(served)["version"] != before, 40)
        assert served.predict(RECORD).status == 200
        assert "Traceback" not in served.text()


def replace_by_another(path: Path) -> None:
    """In one step, as `mv` does."""
    from sklearn.ensemble import RandomForestClassifier

    folder = path.parent / "new"
    folder.mkdir()
    os.replace(save(RandomForestClassifier(5, random_state=7), folder), path)
