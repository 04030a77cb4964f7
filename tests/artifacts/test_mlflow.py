"""Model folders of MLflow, read without it. Those in `mlflow2` were written by MLflow 2.22; others are by the one installed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io

from modelport.artifacts.mlflow import read_mlflow
from modelport.assembly import build_bundle, export_mlflow, load_artifact, verify_bundle
from modelport.config import resolve
from modelport.errors import ArtifactError, UnprovenVersion, UntrustedPickle
from tests.serving import serving

WRITTEN_BY_2 = Path(__file__).with_name("mlflow2")
ROWS = pd.DataFrame(
    {"tempo": [90.5, 140.0, 101.5, 75.25], "loud": [3, 8, 5, 1], "key": ["a", "b", "c", "a"]},
)
LABELS = ["Hip-Hop", "Rock", "Rock", "Hip-Hop"]


def fitted() -> Any:
    """A pipeline that reads numbers and text."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns = make_column_transformer(
        (StandardScaler(), ["tempo", "loud"]), (OneHotEncoder(handle_unknown="ignore"), ["key"])
    )
    return make_pipeline(columns, LogisticRegression()).fit(ROWS, LABELS)


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Writes the pipeline with the installed MLflow, in one of its formats."""
    sklearn = pytest.importorskip("mlflow.sklearn", reason="needs mlflow-skinny")
    from mlflow.models import infer_signature

    folder = tmp_path_factory.mktemp("logged")

    def write(form: str) -> Path:
        out = folder / form
        if not out.exists():
            model = fitted()
            sklearn.save_model(
                model,
                str(out),
                signature=infer_signature(ROWS, model.predict(ROWS)),
                input_example=ROWS[:2],
                serialization_format=form,
                pip_requirements=["scikit-learn==1.0.0"],
            )
        return out

    return write


@pytest.mark.filterwarnings("ignore")  # of MLflow
@pytest.mark.parametrize("form", ["cloudpickle", "skops", "pickle"])
def test_a_logged_pipeline_answers_as_in_memory(logged: Callable[[str], Path], form: str) -> None:
    folder = logged(form)
    wanted = fitted().predict_proba(ROWS).tolist()
    with serving(folder, name="model") as service:
        answers = service.predict(ROWS.to_dict("records"))
        assert [list(answer["probabilities"].values()) for answer in answers] == wanted
        types = {f["name"]: f["type"] for f in service.signature["inputs"]}
        assert types == {"tempo": "float", "loud": "int", "key": "string"}
        assert service.signature["example"] == {"tempo": 90.5, "loud": 3, "key": "a"}
        assert service.slot.loaded is not None
        notes = " ".join(service.slot.loaded.notes)
        assert "saved by MLflow 3" in notes
        assert "scikit-learn 1.0.0, here" in notes


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_folder_is_compiled_and_bundled_like_a_file(logged: Callable[[str], Path], tmp_path: Path) -> None:
    folder = logged("pickle")
    with serving(folder, no_compile=False, cache_dir=str(tmp_path / "cache")) as service:
        assert service.signature["form"] == "compiled"
        version = service.signature["version"]
    with serving(folder, no_compile=False, cache_dir=str(tmp_path / "cache")) as service:
        assert (service.signature["form"], service.signature["version"]) == ("compiled", version)
    bundle = build_bundle(folder, tmp_path / "music.bundle", resolve({}))
    assert bundle.manifest.original == "original/pickle"
    assert verify_bundle(bundle.path, resolve({}))[-1].endswith("golden cases answered by the original")


def test_folders_of_mlflow_2_are_read() -> None:
    with pytest.raises(UnprovenVersion, match=r"mlflow2/array was saved by scikit-learn 1.5.2, here is"):
        load_artifact(WRITTEN_BY_2 / "array", resolve({}))
    model, notes = load_artifact(WRITTEN_BY_2 / "array", resolve({"trust_version": True}))
    assert model.predict([(1.0, 2.0, 3.0)])[0]["prediction"] == pytest.approx(6.0, abs=1e-4)
    assert "saved by MLflow 2.22.5 with Python 3.11.7" in notes


@pytest.mark.parametrize("flavor", ["xgboost", "lightgbm-booster"])
def test_boosters_are_read_by_their_own_loaders(flavor: str) -> None:
    pytest.importorskip(flavor.partition("-")[0])
    model, _ = load_artifact(WRITTEN_BY_2 / flavor, resolve({}))
    assert model.signature.names == ("tempo", "loud")
    (answer,) = model.predict([(100.0, 3)])
    assert sum(answer["probabilities"].values()) == pytest.approx(1.0)


def test_code_is_refused_with_what_to_do() -> None:
    with pytest.raises(ArtifactError, match=r"Python code of its own .*mlflow\.pyfunc\.model.*function of a Service"):
        load_artifact(WRITTEN_BY_2 / "custom", resolve({}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(WRITTEN_BY_2 / "array", tmp_path / "model"))


def write(folder: Path, text: str) -> Path:
    (folder / "MLmodel").write_text(text)
    return folder


HEAD = "flavors:\n  sklearn:\n    pickled_model: "


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "MLmodel is damaged, no YAML"),
        ("[]", "holds no keys"),
        ("flavors: 3", "names no flavors"),
        ("flavors:\n  spark:\n    a: 1", r"holds the flavors spark; read here are sklearn, xgboost"),
        ("flavors:\n  python_function:\n    loader_module: mine", "python_function of the loader mine"),
        (HEAD + "gone.pkl", "lacks the file gone.pkl that its MLmodel names"),
        (HEAD + "../model.pkl", r"names '../model.pkl', which is not inside the folder"),
        (HEAD + "/etc/passwd", r"names '/etc/passwd', which is not inside the folder"),
        (HEAD + "3", "does not say in which file"),
        (HEAD + "model.pkl\nsignature:\n  inputs: '{'", "its signature is none of MLflow's"),
        ("!!python/object/apply:os.system ['touch hacked']", "no YAML"),
    ],
)
def test_a_folder_that_is_not_in_order_is_refused_with_the_reason(folder: Path, text: str, said: str) -> None:
    with pytest.raises(ArtifactError, match=said):
        load_artifact(write(folder, text), resolve({}))


def test_a_knot_of_aliases_is_not_written_out(folder: Path) -> None:
    knots = "".join(f"k{i}: &k{i} [{', '.join([f'*k{i - 1}'] * 9)}]\n" for i in range(1, 30))
    for text in (
        "mlflow_version: *k29\nflavors: {sklearn: {pickled_model: *k29}, python_function: {python_version: *k29}}",
        "flavors: {python_function: {loader_module: *k29}}",
    ):
        with pytest.raises(ArtifactError, match=r"does not say in which file|holds the flavors"):
            load_artifact(write(folder, f"k0: &k0 [x]\n{knots}{text}\n"), resolve({}))


def test_a_bundle_of_a_folder_with_links_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "notes").symlink_to("/etc/hostname")
    with pytest.raises(ArtifactError, match=r"model: notes is a link; a bundle holds its files itself"):
        build_bundle(folder, tmp_path / "out.bundle", resolve({"trust_version": True}))


def test_a_link_out_of_the_folder_is_not_followed(folder: Path) -> None:
    (folder / "model.pkl").rename(folder.parent / "elsewhere.pkl")
    (folder / "model.pkl").symlink_to(folder.parent / "elsewhere.pkl")
    with pytest.raises(ArtifactError, match="not inside the folder"):
        load_artifact(folder, resolve({}))


def test_a_pickle_in_a_folder_runs_no_code_and_its_own_code_is_named(folder: Path) -> None:
    (folder / "model.pkl").write_bytes(b"cposix\nsystem\n(S'touch hacked'\ntR.")
    text = (folder / "MLmodel").read_text()
    write(folder, text.replace("  sklearn:\n    code: null", "  sklearn:\n    code: code"))
    with pytest.raises(UntrustedPickle, match=r"posix\.system.*\(code_paths\) is not imported"):
        load_artifact(folder, resolve({}))


def test_what_is_not_required_may_be_null(folder: Path) -> None:
    inputs = [{"type": "double", "name": name, "required": name != "b"} for name in "abc"]
    text = (folder / "MLmodel").read_text().partition("signature:")[0]
    write(folder, text + f"signature:\n  inputs: '{json.dumps(inputs)}'\n")
    assert {name: column.kind for name, column in read_mlflow(folder).columns.items()} == dict.fromkeys("abc", "float")
    model, _ = load_artifact(folder, resolve({"trust_version": True}))
    assert model.signature.names == ("a", "b", "c")
    assert np.isclose(model.predict([(1.0, 1.0, 1.0)])[0]["prediction"], 3.0, atol=1e-4)


# -- writing -------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["joblib", "skops"])
def test_mlflow_loads_what_is_written_and_answers_alike(tmp_path: Path, form: str) -> None:
    pyfunc = pytest.importorskip("mlflow.pyfunc", reason="needs mlflow-skinny")
    from mlflow.models import infer_signature

    model, source = fitted(), tmp_path / f"music.{form}"
    joblib.dump(model, source) if form == "joblib" else skops.io.dump(model, source)
    ROWS.assign(genre=LABELS).to_csv(tmp_path / "train.csv", index=False)
    options = resolve({"data": str(tmp_path / "train.csv"), "target": "genre"})
    assert export_mlflow(source, tmp_path / "written", options) == ()
    read = pyfunc.load_model(str(tmp_path / "written"))
    assert list(read.predict(ROWS)) == list(model.predict(ROWS))
    assert read.metadata.signature.inputs == infer_signature(ROWS, model.predict(ROWS)).inputs
    assert read.metadata.signature.outputs == infer_signature(ROWS, model.predict(ROWS)).outputs
    assert list(read.input_example.columns) == list(ROWS.columns)
    requirements = (tmp_path / "written" / "requirements.txt").read_text()
    assert requirements.startswith("mlflow\n")
    assert "scikit-learn==" in requirements


@pytest.mark.filterwarnings("ignore")
def test_what_is_written_is_read_again_with_the_same_signature(tmp_path: Path) -> None:
    joblib.dump(fitted(), tmp_path / "music.joblib")
    export_mlflow(tmp_path / "music.joblib", tmp_path / "written", resolve({}))
    model, _ = load_artifact(tmp_path / "music.joblib", resolve({}))
    again, _ = load_artifact(tmp_path / "written", resolve({}))
    assert [(f.name, f.kind, f.nullable) for f in again.signature.inputs] == [
        (f.name, f.kind, f.nullable) for f in model.signature.inputs
    ]
    assert again.signature.outputs == model.signature.outputs


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("flavor", ["xgboost", "lightgbm", "catboost", "onnx", "array"])
def test_other_families_are_loaded_by_mlflow_too(tmp_path: Path, flavor: str) -> None:
    pyfunc = pytest.importorskip("mlflow.pyfunc", reason="needs mlflow-skinny")
    source = {"xgboost": "model.ubj", "lightgbm": "model.txt", "catboost": "model.cbm", "onnx": "model.onnx"}.get(
        flavor, "model.joblib"
    )
    inputs = np.random.default_rng(0).random((60, 3)).astype(np.float32)
    wanted = save(flavor, tmp_path / source, inputs)
    export_mlflow(tmp_path / source, tmp_path / "written", resolve({}))
    read = pyfunc.load_model(str(tmp_path / "written"))
    given: Any = (
        inputs.astype(float)
        if read.metadata.signature.inputs.is_tensor_spec()
        else pd.DataFrame(inputs, columns=list(read.metadata.signature.inputs.input_names()))
    )
    got = read.predict(given)
    got = next(iter(got.values())) if isinstance(got, dict) else got
    assert np.allclose(np.ravel(np.asarray(got, float)), np.ravel(wanted), atol=1e-4)


def save(flavor: str, path: Path, inputs: Any) -> Any:
    """A regression of the family; what it predicts."""
    values = inputs.sum(axis=1)
    if flavor == "array":
        from sklearn.linear_model import LinearRegression

        model: Any = LinearRegression().fit(inputs, values)
        joblib.dump(model, path)
    elif flavor == "onnx":
        from skl2onnx import to_onnx
        from sklearn.linear_model import LinearRegression

        model = LinearRegression().fit(inputs, values)
        path.write_bytes(to_onnx(model, inputs[:1]).SerializeToString())
    else:
        library = pytest.importorskip(flavor)
        kind = {"xgboost": "XGBRegressor", "lightgbm": "LGBMRegressor", "catboost": "CatBoostRegressor"}[flavor]
        quiet = {"lightgbm": {"verbose": -1}, "catboost": {"verbose": 0, "allow_writing_files": False}}.get(flavor, {})
        model = getattr(library, kind)(n_estimators=3, **quiet).fit(inputs, values)
        (model.booster_ if flavor == "lightgbm" else model).save_model(str(path))
    return model.predict(inputs)
