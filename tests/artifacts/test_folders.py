"""What a build writes takes the place of nothing that it did not write itself, whatever the user says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import joblib
import pytest

import modelport
from modelport.artifacts.bundle import is_bundle
from modelport.assembly import build_bundle, export_mlflow
from modelport.assembly.folders import new_folder
from modelport.cli.main import main
from modelport.config import resolve
from modelport.errors import ArtifactError, ConfigError

pytest.importorskip("sklearn")

from sklearn.linear_model import LogisticRegression

ROWS = [[float(i), float(i % 7)] for i in range(60)]
FITTED = LogisticRegression().fit(ROWS, [i > 30 for i in range(60)])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current one, with what must stay as it is: models, data and a folder of somebody's own."""
    for name in ("models", "other", "away"):
        (tmp_path / name).mkdir()
    joblib.dump(FITTED, tmp_path / "models" / "lr.pkl")
    (tmp_path / "other" / "diary.txt").write_text("mine")
    (tmp_path / "other" / "rows.csv").write_text("x0,x1\n1,2\n3,4\n")
    (tmp_path / "plain").write_text("mine")
    (tmp_path / "link").symlink_to("away")
    (tmp_path / "empty").mkdir()
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "manifest.json").write_text('{"name": "a web application"}')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def everything(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


PLACES = [
    (".", "it is the current folder or holds it|is needed and lies there"),
    ("..", "it is the current folder or holds it|is needed and lies there"),
    ("models", "models/lr.pkl is needed and lies there"),
    ("models/lr.pkl", "is no folder"),
    ("models/lr.pkl/x", "models/lr.pkl is no folder"),
    ("other", "other is there already, is no bundle, and is not replaced"),
    ("page", "page is there already, is no bundle, and is not replaced"),
    ("plain", "plain is there already, and is no folder"),
    ("link", "link is there already, and is a link"),
]


@pytest.mark.parametrize(("out", "said"), PLACES)
def test_what_is_no_bundle_is_not_replaced_even_by_force(
    folder: Path, out: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(folder)
    with pytest.raises(SystemExit) as ended:
        main(["build", "models/lr.pkl", "-o", out, "--force", "--no-compile"])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert any(words in told for words in said.split("|"))
    assert told.count("\n") == 1
    assert everything(folder) == before


@pytest.mark.parametrize("more", [[], ["-o", "x.bundle"]])
def test_a_source_without_a_name_is_refused(folder: Path, more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for source in (".", ".."):
        with pytest.raises(SystemExit) as ended:
            main(["build", source, *more])
        assert ended.value.code == 2
        assert "give the folder by its name" in capsys.readouterr().err


def test_what_a_build_reads_is_not_replaced_by_it(folder: Path) -> None:
    options = resolve({"data": "other/rows.csv", "no_compile": True})
    with pytest.raises(ConfigError, match=r"other/rows\.csv is needed and lies there"):
        build_bundle(Path("models/lr.pkl"), Path("other"), options, force=True)


def test_a_folder_that_is_a_model_is_neither_replaced_nor_written_into(folder: Path) -> None:
    pytest.importorskip("yaml")
    export_mlflow(Path("models/lr.pkl"), Path("ml"), resolve({"allow_pickle": True}))
    before = everything(folder)
    with pytest.raises(ConfigError, match="ml is needed and lies there"):
        build_bundle(Path("ml"), Path("ml"), resolve({}), force=True)
    with pytest.raises(ConfigError, match="lies inside ml"):
        build_bundle(Path("ml"), Path("ml/x.bundle"), resolve({}))
    with pytest.raises(ConfigError, match="other is there already, is no model folder of MLflow"):
        export_mlflow(Path("models/lr.pkl"), Path("other"), resolve({}), force=True)
    assert everything(folder) == before
    export_mlflow(Path("models/lr.pkl"), Path("ml"), resolve({"allow_pickle": True}), force=True)
    assert (folder / "ml" / "MLmodel").is_file()


@pytest.mark.parametrize("out", ["empty", "lr.bundle"])
def test_an_empty_folder_and_a_bundle_are_replaced_by_force(folder: Path, out: str) -> None:
    for _ in range(2):
        build_bundle(Path("models/lr.pkl"), Path(out), resolve({"no_compile": True}), force=True)
    assert is_bundle(folder / out)
    assert not [name for name in os.listdir(folder) if name.startswith(".")]


def test_the_old_folder_stays_until_the_new_one_is_in_its_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Path, target: Path) -> Any:
        if self.name.endswith("-old") or target.name.endswith("-old"):
            return os.rename(self, target)
        raise OSError(28, "No space left on device")

    before = everything(folder)
    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(ConfigError, match="other cannot be written: No space left"), new_folder(folder / "other"):
        pass
    assert everything(folder) == before


def test_what_appears_while_a_folder_is_filled_is_not_replaced(folder: Path) -> None:
    with pytest.raises(ConfigError, match="somebody else"), new_folder(folder / "new"):
        (folder / "new").mkdir()
    assert (folder / "new").is_dir()


def test_a_place_that_cannot_be_written_is_told() -> None:
    with pytest.raises(ConfigError, match=r"/proc/mine/x cannot be written: "), new_folder(Path("/proc/mine/x")):
        pass


def test_a_compiled_model_replaces_compiled_models_alone(folder: Path) -> None:
    pytest.importorskip("onnxruntime")
    compiled = modelport.compile(FITTED)
    before = everything(folder)
    for place in ("other", "models", ".", "plain", "link", "plain/x"):
        with pytest.raises(modelport.SetupError, match=r"not replaced|no folder|a link"):
            compiled.save(place)
    assert everything(folder) == before
    for _ in range(2):
        compiled.save("lr.compiled")
    assert modelport.load_compiled("lr.compiled").predict(ROWS).tolist() == FITTED.predict(ROWS).tolist()


def test_a_compiled_model_that_was_damaged_is_refused_by_the_name_of_its_file(folder: Path) -> None:
    pytest.importorskip("onnxruntime")
    modelport.compile(FITTED).save("lr.compiled")
    graph = folder / "lr.compiled" / "model.onnx"
    graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])
    with pytest.raises(ArtifactError, match=r"lr\.compiled/model\.onnx is damaged: .*compile it again"):
        modelport.load_compiled("lr.compiled")


def test_data_without_rows_is_refused_in_python_as_on_the_command_line(folder: Path) -> None:
    np = pytest.importorskip("numpy")
    nothing: list[Any] = [np.array(ROWS)[:0], []]
    for data in nothing:
        with pytest.raises(ArtifactError, match="the data holds no rows"):
            modelport.compile(FITTED, data)
        with pytest.raises(ArtifactError, match="the data holds no rows"):
            modelport.save(FITTED, "lr.bundle", data)
