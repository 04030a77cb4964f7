"""Proven, or refused: what another version saved."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import time
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
import sklearn
from sklearn.cluster import AgglomerativeClustering
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import strip_accents_unicode
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from modelport.artifacts.pickles.outline import read_outline
from modelport.artifacts.pickles.saved_by import saved_by
from modelport.assembly import bundles, proving
from modelport.assembly.artifacts import load_artifact, other_version
from modelport.assembly.bundles import build_bundle
from modelport.assembly.compiler import compile_artifact
from modelport.assembly.diagnosis import _told_of_requirements, diagnose
from modelport.assembly.forms import look_up, open_form
from modelport.assembly.inspection import inspect_artifact
from modelport.assembly.proving import prove
from modelport.assembly.rescue import rescue
from modelport.cli.inspect import run_inspect
from modelport.compilation.texts import draw_texts
from modelport.config import ServeOptions
from modelport.errors import ArtifactError, UnprovenVersion, UntrustedPickle
from tests.native.places import OTHER, doctored, put_installed

INPUTS = np.random.default_rng(0).normal(size=(80, 3))
LABELS = np.where(INPUTS[:, 0] + INPUTS[:, 1] > 0, "yes", "no")
RECORD = (0.1, -0.2, 0.3)


@pytest.fixture
def options(tmp_path: Path) -> ServeOptions:
    """With the installed libraries in the place of the version that the files name."""
    put_installed(tmp_path / "cache")
    return ServeOptions(cache_dir=tmp_path / "cache")


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_the_version_is_read_from_files_of_every_protocol(protocol: int, tmp_path: Path) -> None:

    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(LogisticRegression().fit(INPUTS, LABELS), protocol))
    assert saved_by(path) == sklearn.__version__


@pytest.mark.parametrize("version", ["1.0; rm -rf x", "1.0\r\nSet-Cookie: a=b", "\x1b[31m1.0", "0.22.2 --index-url x"])
def test_a_hostile_version_is_shown_by_its_escapes_and_stands_in_no_command_or_header(
    version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "old.pkl"
    before, after = (len(v).to_bytes(4, "little") + v.encode() for v in (sklearn.__version__, version))
    path.write_bytes(pickle.dumps(LogisticRegression().fit(INPUTS, LABELS), 2).replace(before, after))
    assert str(other_version(path, ServeOptions())).isprintable()
    with pytest.raises(UnprovenVersion) as refused:
        prove(path, ServeOptions(cache_dir=tmp_path))
    assert str(refused.value).isprintable()
    assert "scikit-learn==" not in str(refused.value)
    assert "install the version that it was trained with" in str(refused.value).lower()
    options = ServeOptions(trust_version=True, no_compile=True, cache_dir=tmp_path / "cache")
    assert str(open_form(look_up(path, options).plain(), path, options).form["trusted"]).isprintable()
    assert run_inspect(path, ServeOptions(cache_dir=tmp_path), False) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_every_part_of_a_large_file_is_looked_at_and_long_lists_take_no_time(tmp_path: Path) -> None:
    path = tmp_path / "large.pkl"
    parts = [{"number": i} for i in range(30_000)]
    path.write_bytes(pickle.dumps([list(range(300_000)), parts, [[StandardScaler()]]]))
    outline, start = read_outline(path), time.process_time()
    assert [thing.name.rpartition(".")[2] for thing in outline.objects() if thing.made] == ["StandardScaler"]
    assert time.process_time() - start < 3.0


def test_checked_texts_tell_the_releases_apart_that_left_accents_written_apart_in_their_place() -> None:
    """Until 0.21 a text was left as it is where its accents are written apart already."""
    drawn = draw_texts(np.random.default_rng(0), [], ["resume", "role"], 300)
    apart = [text for text in drawn if not text.isascii() and normalize("NFKD", text) == text]
    assert sum({"resume", "role"} >= set(strip_accents_unicode(text).lower().split()) for text in apart) >= 5


def test_what_nobody_has_compared_is_refused_with_both_versions_and_the_command(tmp_path: Path) -> None:
    path = doctored(LogisticRegression().fit(INPUTS, LABELS), tmp_path / "old.joblib")
    with pytest.raises(UnprovenVersion) as refused:
        load_artifact(path, ServeOptions())
    assert refused.value.stored == OTHER
    assert f"modelport rescue {path}" in str(refused.value)
    assert f"install scikit-learn=={OTHER}" in str(refused.value)
    assert "--trust-version" in str(refused.value)


@pytest.mark.slow
def test_a_linear_model_is_proven_and_served_compiled(options: ServeOptions, tmp_path: Path) -> None:
    path = doctored(LogisticRegression().fit(INPUTS, LABELS), tmp_path / "old.joblib")
    assert look_up(path, options).form == "unknown"
    told: list[str] = []
    look = compile_artifact(path, options, begin_proof=told.append)
    assert look.form == "compiled"
    assert "saved by scikit-learn 1.8.0, here is" in told[0]
    assert look_up(path, options).form == "compiled"
    opened = open_form(look.plain(), path, options)
    assert any("as scikit-learn 1.8.0 does" in note for note in opened.notes)
    assert opened.model.predict([RECORD])[0]["prediction"] in ("yes", "no")


def test_uncompiled_it_is_loaded_as_it_is_once_that_is_proven(options: ServeOptions, tmp_path: Path) -> None:
    model, options = LogisticRegression().fit(INPUTS, LABELS), replace(options, no_compile=True)
    path = doctored(model, tmp_path / "old.joblib")
    look = compile_artifact(path, options)
    assert (look.form, look_up(path, options).form) == ("original", "original")
    assert look.why.startswith("loaded as it is, it answers ")
    opened = open_form(look.plain(), path, options)
    (answer,) = opened.model.predict([RECORD])
    np.testing.assert_allclose(list(answer["probabilities"].values()), model.predict_proba([RECORD])[0])


@pytest.mark.slow
def test_a_model_that_answers_otherwise_here_is_not_served_as_it_is(
    options: ServeOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The installed version is made to answer otherwise; the environment, another process, is not."""
    model = RandomForestClassifier(n_estimators=5, max_depth=3, random_state=0).fit(INPUTS, LABELS)
    right = model.predict_proba([RECORD])[0]
    path = doctored(model, tmp_path / "old.joblib")
    usual = RandomForestClassifier.predict_proba
    monkeypatch.setattr(RandomForestClassifier, "predict_proba", lambda self, X: usual(self, X)[:, ::-1])
    look = compile_artifact(path, replace(options, no_compile=True))
    assert "(the native environment)" in look.why
    opened = open_form(look.plain(), path, replace(options, no_compile=True))
    (answer,) = opened.model.predict([RECORD])
    assert list(answer["probabilities"].values()) == right.tolist()


@pytest.mark.slow
def test_what_the_environment_tells_is_compiled_where_the_installed_version_differs(
    options: ServeOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = RandomForestClassifier(n_estimators=5, max_depth=3, random_state=0).fit(INPUTS, LABELS)
    right = model.predict_proba([RECORD])[0]
    path = doctored(model, tmp_path / "old.joblib")
    usual = RandomForestClassifier.predict_proba
    monkeypatch.setattr(RandomForestClassifier, "predict_proba", lambda self, X: usual(self, X)[:, ::-1])
    look = compile_artifact(path, options)
    assert look.form == "compiled"
    (answer,) = open_form(look.plain(), path, options).model.predict([RECORD])
    assert list(answer["probabilities"].values()) == right.tolist()


def test_the_user_may_trust_the_version_and_every_answer_says_so(tmp_path: Path) -> None:
    path = doctored(LogisticRegression().fit(INPUTS, LABELS), tmp_path / "old.joblib")
    options = ServeOptions(trust_version=True, no_compile=True, cache_dir=tmp_path / "cache")
    opened = open_form(look_up(path, options).plain(), path, options)
    assert opened.form["trusted"] == f"scikit-learn {OTHER}"
    assert any(note.startswith("WARNING: saved by scikit-learn 1.8.0") for note in opened.notes)


def test_a_bundle_of_a_model_that_is_trusted_says_so_ever_after(tmp_path: Path) -> None:
    path = doctored(LogisticRegression().fit(INPUTS, LABELS), tmp_path / "old.joblib")
    build_bundle(path, tmp_path / "old.bundle", ServeOptions(trust_version=True, no_compile=True))
    opened = open_form(None, tmp_path / "old.bundle", ServeOptions(no_compile=True))
    assert opened.form["trusted"] == f"scikit-learn {OTHER}"


def test_without_an_environment_nothing_is_shown_and_nothing_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No interpreter that has wheels of that release, and a kind that the table does not know."""
    from modelport.native import interpreters

    monkeypatch.setattr(interpreters, "_candidates", lambda version: iter(()))
    path = doctored(KernelRidge(kernel="cosine").fit(INPUTS, INPUTS[:, 0]), tmp_path / "old.joblib")
    why = r"it cannot be held against that version: it needs Python 3\.12 or .* KernelRidge with kernel=cosine was not compared"
    with pytest.raises(UnprovenVersion, match=why):
        compile_artifact(path, ServeOptions(cache_dir=tmp_path / "cache"))
    assert look_up(path, ServeOptions(cache_dir=tmp_path / "cache")).form == "unknown"


def test_a_file_without_a_version_is_refused(options: ServeOptions, tmp_path: Path) -> None:
    import joblib

    model = LogisticRegression().fit(INPUTS, LABELS)
    joblib.dump(model, tmp_path / "old.joblib")
    data = (tmp_path / "old.joblib").read_bytes().replace(b"_sklearn_version", b"_sklearn_versiom")
    (tmp_path / "old.joblib").write_bytes(data)
    with pytest.raises(UnprovenVersion, match=r"saved by scikit-learn pre-0.18, here is"):
        load_artifact(tmp_path / "old.joblib", options)


@pytest.mark.slow
def test_a_rescued_model_is_a_bundle_with_its_proof(options: ServeOptions, tmp_path: Path) -> None:
    model = LogisticRegression().fit(INPUTS, LABELS)
    path = doctored(model, tmp_path / "old.joblib")
    steps: list[str] = []
    rescued = rescue(path, tmp_path / "new.bundle", options, False, lambda what, done: steps.append(what))
    assert "asking scikit-learn 1.8.0 the checked rows" in steps
    assert rescued.bundle.manifest.proof["way"] == "as it is"
    report = (tmp_path / "new.bundle" / "report.md").read_text()
    assert "- saved by: scikit-learn 1.8.0" in report
    assert "- result: loaded as it is, it answers" in report
    opened = open_form(None, tmp_path / "new.bundle", options)
    np.testing.assert_allclose(
        list(opened.model.predict([RECORD])[0]["probabilities"].values()), model.predict_proba([RECORD])[0]
    )


def test_a_bundle_that_was_proven_with_another_installed_release_is_refused_naming_it(
    options: ServeOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = doctored(LogisticRegression().fit(INPUTS, LABELS), tmp_path / "old.joblib")
    given = replace(options, no_compile=True)
    rescue(path, tmp_path / "old.bundle", given, False, lambda _, __: None)
    assert open_form(None, tmp_path / "old.bundle", given).form["form"] == "original"
    monkeypatch.setattr(bundles, "installed_version", lambda _: "9.9.9")
    with pytest.raises(
        ArtifactError, match=rf"alike with {sklearn.__version__}, here is 9.9.9: pip install scikit-learn=="
    ):
        open_form(None, tmp_path / "old.bundle", given)
    assert open_form(None, tmp_path / "old.bundle", replace(given, trust_version=True)).model is not None


def test_inspect_tells_what_serving_it_will_do_and_runs_nothing(options: ServeOptions, tmp_path: Path) -> None:
    path = doctored(LogisticRegression().fit(INPUTS, LABELS), tmp_path / "old.joblib")
    told = inspect_artifact(path, options)
    assert told["saved_by"] == "scikit-learn 1.8.0"
    assert told["kind"] == "joblib file of a sklearn.linear_model._logistic.LogisticRegression"
    assert told["safe"].startswith("yes: all ")
    assert told["goes_wrong"] == "it loads, and answers its own example; whether as it did before, nothing has shown"
    assert told["serving"].startswith("uses the environment of scikit-learn==1.8.0 that is there")
    assert told["offline"].startswith("without a network it is served after repairs")
    assert told["inputs"] == "3, without names; name them with --features a,b,c  or give the training data with --data"
    json.dumps(told)


def test_inspect_tells_what_is_not_safe(options: ServeOptions, tmp_path: Path) -> None:

    path = tmp_path / "old.pkl"
    path.write_bytes(pickle.dumps({"model": os.system, "_sklearn_version": "1.8.0"}))
    told = diagnose(path, options)
    assert told["safe"] == "no: it names posix.system"
    assert told["goes_wrong"] == "nothing of it is run, so this is not known"


def test_a_model_that_only_labels_what_it_was_fitted_on_is_refused_as_ever(tmp_path: Path) -> None:
    path = doctored(AgglomerativeClustering().fit(INPUTS), tmp_path / "old.joblib")
    with pytest.raises(UnprovenVersion, match="which can only label the data it was fitted on"):
        load_artifact(path, ServeOptions())


def test_what_could_run_code_is_refused_before_anything_is_installed_for_it(
    options: ServeOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "provide", lambda *_: pytest.fail("installed"))
    path = tmp_path / "old.pkl"
    path.write_bytes(pickle.dumps({"_sklearn_version": "0.22.2", "model": os.system}))
    with pytest.raises(UntrustedPickle, match=r"posix\.system is not on the list"):
        look_up(path, options)
    with pytest.raises(UnprovenVersion, match=r"posix\.system, which is of no library, and so in no environment"):
        compile_artifact(path, replace(options, allow_pickle=True))


def test_inspect_says_that_what_could_run_code_is_refused_and_nothing_installed(
    options: ServeOptions, tmp_path: Path
) -> None:
    path = tmp_path / "old.pkl"
    path.write_bytes(pickle.dumps({"_sklearn_version": "0.22.2", "model": os.system}))
    told = diagnose(path, options)
    assert told["serving"] == "is refused, and nothing is installed for it: loading it could run code"
    assert "offline" not in told


@pytest.mark.parametrize("name", ["model", "model.pck", "model.bst", "model.pkl.gz"])
def test_a_pickle_of_any_name_is_held_against_its_version(name: str, tmp_path: Path) -> None:
    path = doctored(LogisticRegression().fit(INPUTS, LABELS), tmp_path / "old.joblib")
    joblib_bytes = path.read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(joblib_bytes) if name.endswith(".gz") else joblib_bytes)
    assert str(other_version(tmp_path / name, ServeOptions())) == f"scikit-learn {OTHER}"


def test_a_model_beside_a_helper_of_another_version_is_refused_naming_both(tmp_path: Path) -> None:
    model = doctored(LogisticRegression().fit(INPUTS, LABELS), tmp_path / "model.joblib")
    scaler = doctored(StandardScaler().fit(INPUTS), tmp_path / "scaler.joblib", "1.7.2")
    with pytest.raises(ArtifactError, match=r"several versions of scikit-learn \(1\.7\.2, 1\.8\.0\)"):
        compile_artifact(model, ServeOptions(cache_dir=tmp_path / "cache", with_=(scaler,)))


def test_a_model_and_its_scaler_are_read_in_one_environment(options: ServeOptions, tmp_path: Path) -> None:
    scaler = StandardScaler().fit(INPUTS)
    model = LogisticRegression().fit(scaler.transform(INPUTS), LABELS)
    given = replace(options, no_compile=True, with_=(doctored(scaler, tmp_path / "scaler.joblib"),))
    path = doctored(model, tmp_path / "model.joblib")
    look = compile_artifact(path, given)
    assert look.why.startswith("loaded as it is, it answers ")
    (answer,) = open_form(look.plain(), path, given).model.predict([RECORD])
    wanted = model.predict_proba(scaler.transform(np.array([RECORD])))[0]
    np.testing.assert_allclose(list(answer["probabilities"].values()), wanted)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("scikit-learn==0.22.2\n", "says scikit-learn==0.22.2; what saved it"),
        ("Flask\r\nscikit-learn\r\n", "names scikit-learn without a version; what saved it"),
        ("sklearn>=0.20 ; python_version > '3'", "says scikit-learn>=0.20; what saved it"),
        (f"scikit-learn=={OTHER}\n", None),
        ("scikit-image==0.1\n", None),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_inspect_tells_where_the_list_of_requirements_says_something_else(
    said: str, told: str | None, encoding: str, tmp_path: Path
) -> None:
    (tmp_path / "requirements.txt").write_text(said, encoding=encoding, newline="")
    beside = _told_of_requirements(tmp_path / "model.pkl", OTHER).get("beside")
    assert beside is None if told is None else told in str(beside)
