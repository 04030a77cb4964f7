"""Models of Keras and SavedModels, as TensorFlow writes them, from the file to the answer of the ASGI app."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelport.artifacts.unread import describe_unread
from modelport.assembly import build_bundle, load_artifact
from modelport.config import ServeOptions
from modelport.errors import ArtifactError, UntrustedPickle
from tests.serving import serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        any(find_spec(name) is None for name in ("tensorflow", "tf2onnx")), reason="needs TensorFlow and tf2onnx"
    ),
]  # asked for and not imported: that takes seconds, and warns

MAKER = """
import os
os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
import keras, numpy as np
from keras import layers
keras.utils.set_random_seed(0)
rows = np.random.default_rng(1).normal(size=(8, 4)).astype("float32")
dense = keras.Sequential([
    keras.Input((4,), name="flower"), layers.BatchNormalization(), layers.Dense(8, "relu"), layers.Dense(3, "softmax"),
])
dense.compile("adam", "mse")
for name in ("dense.keras", "dense.h5"):
    dense.save(name)
dense.export("saved", verbose=False)
dense.save_weights("only.weights.h5")
os.rename("dense.h5", "dense.model")
np.save("dense.npy", dense.predict(rows, verbose=0))
image, extra = keras.Input((8, 8, 3), name="image"), keras.Input((2,), name="extra")
joined = layers.Concatenate()([layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(image)), extra])
answers = [layers.Dense(1, name="price")(joined), layers.Dense(2, "softmax", name="kind")(joined)]
keras.Model([image, extra], answers).save("two.keras")
coded = keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x * 2), layers.Dense(1)])
coded.save("coded.keras")
coded.save("coded.h5")
np.save("coded.npy", coded.predict(rows, verbose=0))
np.save("rows.npy", rows)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models as TensorFlow writes them, with rows and the answers of the originals."""
    folder = tmp_path_factory.mktemp("keras")
    subprocess.run([sys.executable, "-c", MAKER], cwd=folder, check=True, capture_output=True)
    return folder


def load(path: Path, **options: Any) -> Any:
    return load_artifact(path, ServeOptions(cache_dir=path.parent / "cache", **options))


@pytest.mark.parametrize("name", ["dense.keras", "dense.model", "saved"])
def test_a_network_answers_as_it_did_in_tensorflow(name: str, made: Path) -> None:
    rows, wanted = np.load(made / "rows.npy"), np.load(made / "dense.npy")
    said = {"cache_dir": made / "cache", "features": ["a", "b", "c", "d"], "name": "flowers"}
    with serving(made / name, **said) as service:
        answers = service.predict([dict(zip("abcd", row, strict=True)) for row in rows.astype(float).tolist()])
    got = np.array([next(iter(answer.values())) for answer in answers])
    assert np.abs(got - wanted).max() < 1e-6


def test_what_was_converted_once_is_taken_from_the_cache(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, notes = load(made / "dense.keras")
    assert any("parity 96 of 96 rows" in note for note in notes)
    monkeypatch.setattr("modelport.assembly.keras._run", lambda *_: pytest.fail("converted again"))
    assert load(made / "dense.keras")[1] == notes


def test_several_inputs_and_outputs_keep_their_names(made: Path) -> None:
    model, _ = load(made / "two.keras")
    assert {f.name: f.shape for f in model.signature.inputs} == {"image": (8, 8, 3), "extra": (2,)}
    assert {o.name for o in model.signature.outputs} == {"price", "kind"}


@pytest.mark.parametrize("name", ["coded.keras", "coded.h5"])
def test_a_lambda_layer_is_code_and_needs_the_word_of_the_user(name: str, made: Path) -> None:
    with pytest.raises(UntrustedPickle, match=r"a Lambda layer, which is Python code\..*--allow-pickle"):
        load(made / name)
    model, _ = load(made / name, allow_pickle=True)
    rows = np.load(made / "rows.npy")
    got = [answer["prediction"] for answer in model.predict(list(map(tuple, rows.tolist())))]
    assert np.allclose(got, np.load(made / "coded.npy")[:, 0], atol=1e-6)
    with pytest.raises(UntrustedPickle):  # what was converted with that word is not served without it
        load(made / name)


@pytest.mark.parametrize("name", ["dense.keras", "dense.h5"])
def test_the_way_that_is_told_where_nothing_converts_leads_to_the_same_answers(name: str, made: Path) -> None:
    if not (made / name).exists():
        (made / name).write_bytes((made / "dense.model").read_bytes())
    head = (made / name).read_bytes()[:64]
    told = str(describe_unread(made / name, head))
    python, command = told.split("  ")[3], told.split("  ")[5]
    assert python.startswith("keras.models.load_model(")
    subprocess.run([sys.executable, "-c", f"import keras; {python}"], cwd=made, check=True, capture_output=True)
    words = command.partition("; python ")[2].split()
    subprocess.run([sys.executable, *words], cwd=made, check=True, capture_output=True)
    model, _ = load(made / "model.onnx")
    got = [list(answer.values())[-1] for answer in model.predict(list(map(tuple, np.load(made / "rows.npy").tolist())))]
    assert np.abs(np.array(got) - np.load(made / "dense.npy")).max() < 1e-6


def test_a_bundle_of_a_network_is_served_without_what_converted_it(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = ServeOptions(cache_dir=made / "cache", features=("a", "b", "c", "d"))
    bundle = build_bundle(made / "dense.keras", made / "b.bundle", said)
    assert bundle.manifest.original == "original/dense.onnx"
    monkeypatch.setattr("modelport.assembly.keras.CONVERTERS", ("a_library_that_is_nowhere",))
    rows, wanted = np.load(made / "rows.npy"), np.load(made / "dense.npy")
    with serving(made / "b.bundle") as service:
        answers = service.predict([dict(zip("abcd", row, strict=True)) for row in rows.astype(float).tolist()])
    assert np.abs(np.array([next(iter(answer.values())) for answer in answers]) - wanted).max() < 1e-6


def test_a_network_that_keras_does_not_read_is_tried_once(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(made / "dense.keras") as whole, zipfile.ZipFile(made / "odd.keras", "w") as odd:
        for name in ("config.json", "metadata.json"):  # and no weights
            odd.writestr(name, whole.read(name))
    with pytest.raises(ArtifactError, match=r"odd\.keras is not read by Keras"):
        load(made / "odd.keras")
    monkeypatch.setattr("modelport.assembly.keras._run", lambda *_: pytest.fail("tried again"))
    with pytest.raises(ArtifactError, match=r"is not read by Keras.* tried before, .* modelport cache remove"):
        load(made / "odd.keras")


def test_weights_alone_are_no_model(made: Path) -> None:
    with pytest.raises(ArtifactError, match="holds weights without their model"):
        load(made / "only.weights.h5")


def test_a_damaged_file_is_told_so(made: Path) -> None:
    (made / "half.h5").write_bytes((made / "dense.model").read_bytes()[:3000])
    with pytest.raises(ArtifactError, match=r"half\.h5 is damaged"):
        load(made / "half.h5")
