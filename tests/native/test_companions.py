"""Models in several files, and packed ones, in a native environment: read there as they are here, or refused with the reason."""

from __future__ import annotations

import io
import pickle
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from modelport.artifacts.digest import digest_path
from modelport.artifacts.pickles.beside import place_beside
from modelport.artifacts.pickles.loading import load_pickle, screen_pickle, unpacked_apart
from modelport.artifacts.pickles.outline import read_outline
from modelport.artifacts.pickles.stream import LZ4
from modelport.assembly.artifacts import other_version
from modelport.assembly.bundles import build_bundle
from modelport.assembly.diagnosis import diagnose
from modelport.assembly.forms import _native_process, _places
from modelport.assembly.proving import load_proven, prove
from modelport.config import ServeOptions
from modelport.errors import ArtifactError, UntrustedPickle
from modelport.native import foreign_reader
from modelport.native.early import start_early
from modelport.native.environments import Environment
from modelport.native.process import ForeignError, ForeignProcess
from modelport.native.proofs import NATIVE, Proof
from tests.native.companions import with_companions
from tests.native.places import OTHER, doctored, need_of, put_installed

INPUTS = np.random.default_rng(0).normal(size=(60, 3))
LABELS = np.where(INPUTS[:, 0] > 0, "yes", "no").astype(object)
MODEL = LogisticRegression().fit(INPUTS, LABELS)
ARRAYS = ("coef_", "intercept_", "classes_")
"""The last one is of objects, which NumPy writes as a pickle behind the head of its file."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return put_installed(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def process(environment: Environment) -> Iterator[ForeignProcess]:
    process = ForeignProcess(environment)
    yield process
    process.close()


def answers(found: Any) -> None:
    """Hold a model against the one that was saved."""
    np.testing.assert_array_equal(found.predict_proba(INPUTS), MODEL.predict_proba(INPUTS))
    assert found.predict(INPUTS[:5]).tolist() == MODEL.predict(INPUTS[:5]).tolist()


# -- arrays beside the model -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
def test_arrays_beside_the_model_are_read_inside(packed: bool, tmp_path: Path) -> None:
    names = ARRAYS[:2] if packed else ARRAYS
    path = with_companions(MODEL, tmp_path / "model.pkl", *names, packed=packed)
    answers(load_pickle(path, False))
    answers(foreign_reader.read_file(str(path)))


def test_a_model_that_is_a_link_is_read_with_the_files_beside_the_link(process: ForeignProcess, tmp_path: Path) -> None:
    """As caches of downloads lie: names here, content by its digest in one other folder."""
    blobs, names = tmp_path / "blobs", tmp_path / "names"
    blobs.mkdir()
    names.mkdir()
    with_companions(MODEL, blobs / "model.pkl", *ARRAYS)
    for number, file in enumerate(sorted(blobs.iterdir())):
        (names / file.name).symlink_to(file.rename(blobs / f"{number}"))
    answers(load_pickle(names / "model.pkl", False))
    answers(process.load(names / "model.pkl"))


def test_a_link_to_another_folder_is_not_followed(tmp_path: Path) -> None:
    path = with_companions(MODEL, tmp_path / "model.pkl", *ARRAYS)
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "model.pkl_02.npy").rename(tmp_path / "elsewhere" / "2.npy")
    (tmp_path / "model.pkl_02.npy").symlink_to(moved)
    with pytest.raises(ArtifactError, match=r"model\.pkl_02\.npy is a link to another folder, and is not followed"):
        load_pickle(path, False)
    with pytest.raises(foreign_reader.Refused, match="is a link to another folder"):
        foreign_reader.read_file(str(path))


@pytest.mark.parametrize("name", ["../model.pkl_01.npy", "/etc/passwd", "other.pkl_01.npy", "model.pkl_1.npy"])
def test_only_files_of_the_model_are_read_for_its_arrays(name: str, tmp_path: Path) -> None:
    path = with_companions(MODEL, tmp_path / "model.pkl", "coef_")
    before, after = (len(n).to_bytes(4, "little") + n.encode() for n in ("model.pkl_01.npy", name))
    path.write_bytes(path.read_bytes().replace(before, after))
    with pytest.raises(foreign_reader.Refused, match=r"those of this file in model\.pkl_01\.npy and so on"):
        foreign_reader.read_file(str(path))
    with pytest.raises(ArtifactError, match="give the model its old name"):
        load_pickle(path, False)


def test_what_lies_inside_of_an_array_has_no_files_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle without a file of its own: nothing is looked for in the folder that the process happens to be in."""
    monkeypatch.chdir(tmp_path)
    np.save("_01.npy", INPUTS)
    with pytest.raises(foreign_reader.Refused):
        foreign_reader.Reader(io.BytesIO(_only_array("_01.npy"))).load()
    with pytest.raises(ArtifactError, match=r"saved by joblib older than 0\.10"):
        place_beside(Path(), "_01.npy")


def test_an_array_that_is_missing_or_cut_is_told_before_anything_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_companions(MODEL, tmp_path / "model.pkl", *ARRAYS, version=OTHER)
    monkeypatch.setattr("modelport.assembly.proving.provide", lambda *_: pytest.fail("something is installed"))
    whole = (tmp_path / "model.pkl_01.npy").read_bytes()
    (tmp_path / "model.pkl_01.npy").write_bytes(whole[:-1])
    with pytest.raises(ArtifactError, match=r"model\.pkl_01\.npy is damaged: it ends too early; copy it again"):
        prove(path, ServeOptions(cache_dir=tmp_path / "cache"))
    (tmp_path / "model.pkl_01.npy").unlink()
    with pytest.raises(ArtifactError, match=r"model\.pkl_01\.npy is missing: copy it into the same folder"):
        prove(path, ServeOptions(cache_dir=tmp_path / "cache"))


def test_an_array_that_unpacks_too_far_takes_no_memory(tmp_path: Path) -> None:
    path = with_companions(MODEL, tmp_path / "model.pkl", "coef_", packed=True)
    size = 80 * 2**20
    packed = b"ZF" + f"{hex(size):<19}".encode() + zlib.compress(bytes(size))
    (tmp_path / "model.pkl_01.npy.z").write_bytes(packed)
    with pytest.raises(ArtifactError, match="as archive bombs do"):
        load_pickle(path, False)
    with pytest.raises(foreign_reader.Refused, match="unpacks too far"):
        foreign_reader.read_file(str(path))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[:2] + b"?" + data[3:], "is damaged"),
        (lambda data: data[:-3] + b"???", "is damaged"),
        (lambda data: b"ZF" + f"{hex(8):<19}".encode() + zlib.compress(bytes(8)), "does not fit model.pkl"),
    ],
    ids=["head", "content", "another array"],
)
def test_a_packed_array_that_is_damaged_is_not_taken_for_code(change: Any, said: str, tmp_path: Path) -> None:
    path = with_companions(MODEL, tmp_path / "model.pkl", "coef_", packed=True)
    beside = tmp_path / "model.pkl_01.npy.z"
    beside.write_bytes(change(beside.read_bytes()))
    with pytest.raises(ArtifactError, match=said) as caught:
        load_pickle(path, False)
    assert not isinstance(caught.value, UntrustedPickle)


class _Call:
    def __reduce__(self) -> Any:
        return eval, ("1",)


def test_code_in_an_array_beside_the_model_is_found_before_anything_is_loaded(tmp_path: Path) -> None:
    path = with_companions(MODEL, tmp_path / "model.pkl", *ARRAYS, version=OTHER)
    np.save(tmp_path / "model.pkl_03.npy", np.array([_Call(), "no"], dtype=object), allow_pickle=True)
    assert ("builtins", "eval") in read_outline(path).names
    with pytest.raises(UntrustedPickle, match="eval"):
        screen_pickle(path)
    with pytest.raises(foreign_reader.Refused, match="eval"):
        foreign_reader.read_file(str(path))
    assert "builtins.eval" in diagnose(path, ServeOptions(cache_dir=tmp_path / "cache"))["safe"]


def test_inspect_tells_of_the_files_beside_a_model_and_what_is_wrong_with_them(tmp_path: Path) -> None:
    path = with_companions(MODEL, tmp_path / "model.pkl", *ARRAYS, version=OTHER)
    options = ServeOptions(cache_dir=tmp_path / "cache")
    told = diagnose(path, options)
    assert told["kind"].startswith("joblib file of a sklearn.linear_model")
    assert told["arrays"] == "3 in files beside it: model.pkl_01.npy to model.pkl_03.npy, all there"
    (tmp_path / "model.pkl_02.npy").unlink()
    told = diagnose(path, options)
    assert "model.pkl_02.npy is missing: copy it into the same folder" in told["arrays"]
    assert told["serving"].startswith("is refused: ")


def test_inspect_reads_packed_arrays_too_and_refuses_what_cannot_be_served_of_them(tmp_path: Path) -> None:
    model = LogisticRegression().fit(INPUTS, INPUTS[:, 0] > 0)
    path = with_companions(model, tmp_path / "model.pkl", "coef_", "classes_", packed=True, version=OTHER)
    options = ServeOptions(cache_dir=tmp_path / "cache")
    told = diagnose(path, options)
    assert told["arrays"].endswith("all there")
    assert "classes=0" not in told["offline"]
    beside = tmp_path / "model.pkl_01.npy.z"
    beside.write_bytes(beside.read_bytes()[:-12])
    told = diagnose(path, options)
    assert "model.pkl_01.npy.z is damaged" in told["arrays"]
    assert told["serving"].startswith("is refused: ")


@pytest.mark.slow
def test_a_model_in_several_files_is_proven_and_served_from_its_environment(tmp_path: Path) -> None:
    put_installed(tmp_path / "cache")
    options = ServeOptions(cache_dir=tmp_path / "cache", no_compile=True)
    path = with_companions(MODEL, tmp_path / "model.pkl", *ARRAYS, version=OTHER)
    proof = prove(path, options, ways=()).proof
    assert proof.way == NATIVE
    model, _ = load_proven(path, options, proof)
    found = [list(answer["probabilities"].values()) for answer in model.predict([tuple(row) for row in INPUTS[:4]])]
    np.testing.assert_array_equal(found, MODEL.predict_proba(INPUTS[:4]))


def test_a_bundle_takes_the_arrays_of_a_file_beside_the_model_along(tmp_path: Path) -> None:
    joblib.dump(MODEL, tmp_path / "model.joblib")
    columns = np.array(["a", "b", "c"], dtype=object)
    np.save(tmp_path / "columns.pkl_01.npy", columns, allow_pickle=True)
    (tmp_path / "columns.pkl").write_bytes(_only_array("columns.pkl_01.npy"))
    options = ServeOptions(with_=(tmp_path / "columns.pkl",), no_compile=True)
    bundle = build_bundle(tmp_path / "model.joblib", tmp_path / "model.bundle", options)
    assert [f.name for f in bundle.manifest.signature.inputs] == ["a", "b", "c"]
    assert [name for name in bundle.manifest.files if name.endswith("columns.pkl_01.npy")]
    before = digest_path(tmp_path / "columns.pkl")
    np.save(tmp_path / "columns.pkl_01.npy", columns[::-1], allow_pickle=True)
    assert digest_path(tmp_path / "columns.pkl") != before


def _only_array(name: str) -> bytes:
    from joblib.numpy_pickle_compat import NDArrayWrapper

    whole = pickle.dumps(NDArrayWrapper(name, np.ndarray), 2)
    return whole.replace(b"joblib.numpy_pickle_compat\n", b"joblib.numpy_pickle\n")


# -- packed with a library of its own ----------------------------------------------------------------------------------


def test_what_only_this_side_unpacks_is_handed_over(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "model.joblib").write_bytes(LZ4 + bytes(20))
    process = ForeignProcess(environment, unpack=lambda _: pickle.dumps(MODEL))
    answers(process.load(tmp_path / "model.joblib"))
    process.close()


@pytest.mark.slow
def test_a_process_in_the_place_of_a_dead_one_is_handed_it_again(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "model.joblib").write_bytes(LZ4 + bytes(20))
    process = ForeignProcess(environment, unpack=lambda _: pickle.dumps(MODEL))
    found = process.load(tmp_path / "model.joblib")
    assert process._process is not None
    process._process.kill()
    process._process.wait()
    with pytest.raises(ForeignError, match="ended"):
        found.predict(INPUTS)
    answers(found)
    process.close()


def test_what_nobody_unpacked_is_refused_inside_by_its_kind(process: ForeignProcess, tmp_path: Path) -> None:
    (tmp_path / "model.joblib").write_bytes(LZ4 + bytes(20))
    with pytest.raises(ArtifactError, match="it is packed with LZ4"):
        process.load(tmp_path / "model.joblib")


def test_what_is_handed_over_is_not_read_by_the_process_that_is_started_early(tmp_path: Path) -> None:
    environment, need = put_installed(tmp_path / "cache"), need_of(OTHER)
    proof = Proof(NATIVE, OTHER, "1.9.1", requirements=need.requirements, pythons=need.pythons)
    options = ServeOptions(cache_dir=tmp_path / "cache")
    packed, plain = tmp_path / "packed.joblib", tmp_path / "plain.joblib"
    packed.write_bytes(LZ4 + bytes(20))
    joblib.dump(MODEL, plain)
    assert _native_process(proof, plain, options)["file"] == str(plain)
    native = _native_process(proof, packed, options)
    assert native["file"] == ""
    assert _places(native) == (str(environment.folder),)
    start_early(native["folder"], native["file"], True)
    process = ForeignProcess(environment, whole=False, unpack=lambda _: pickle.dumps(MODEL))
    started = process._process
    assert started is not None
    answers(process.load(packed))
    assert process._process is started
    process.close()


def test_other_files_are_left_for_the_other_side_to_read(tmp_path: Path) -> None:
    joblib.dump(MODEL, tmp_path / "model.joblib", compress=3)
    assert unpacked_apart(tmp_path / "model.joblib") is None


def test_lz4_that_holds_too_much_is_told_so(tmp_path: Path) -> None:
    frame = pytest.importorskip("lz4.frame")
    (tmp_path / "bomb.pkl").write_bytes(frame.compress(bytes(80 * 2**20)))
    with pytest.raises(ArtifactError, match="as archive bombs do"):
        unpacked_apart(tmp_path / "bomb.pkl")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.joblib", "model.pkl.lz4", "model.lz4"])
def test_a_model_packed_with_lz4_is_proven_and_served_from_its_environment(name: str, tmp_path: Path) -> None:
    frame = pytest.importorskip("lz4.frame")
    put_installed(tmp_path / "cache")
    options = ServeOptions(cache_dir=tmp_path / "cache", no_compile=True)
    plain = doctored(MODEL, tmp_path / "plain.joblib")
    path = tmp_path / name
    path.write_bytes(frame.compress(plain.read_bytes()))
    assert str(other_version(path, options)) == f"scikit-learn {OTHER}"
    proof = prove(path, options, ways=()).proof
    assert proof.way == NATIVE
    model, _ = load_proven(path, options, proof)
    found = [list(answer["probabilities"].values()) for answer in model.predict([tuple(row) for row in INPUTS[:4]])]
    np.testing.assert_array_equal(found, MODEL.predict_proba(INPUTS[:4]))
