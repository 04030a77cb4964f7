"""Bundles: the same twice, refused by the name of the file that is not what it was, and held to their golden cases."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest

from modelport.artifacts.bundle import copy_artifact, list_files, read_bundle
from modelport.assembly import build_bundle, find_loader, verify_bundle
from modelport.cli.main import main
from modelport.config import model_name, resolve
from modelport.errors import SetupError
from tests.serving import serving


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, music: Any) -> Path:
    """A bundle of the music model; tests that change it take a copy."""
    out = tmp_path_factory.mktemp("built") / "genre.bundle"
    build_bundle(music.joblib, out, resolve({"data": music.data, "target": "genre"}))
    return out


@pytest.fixture
def bundle(built: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(built, tmp_path / "genre.bundle"))


def manifest_of(bundle: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((bundle / "manifest.json").read_text())
    return manifest


def rewrite(bundle: Path, **changes: Any) -> None:
    (bundle / "manifest.json").write_text(json.dumps({**manifest_of(bundle), **changes}))


def seal(bundle: Path) -> None:
    """Make the digests fit again, as somebody would who changes a bundle on purpose."""
    files = {name: {"sha256": f.sha256, "size": f.size} for name, f in list_files(bundle).items()}
    rewrite(bundle, files=files)


def test_a_bundle_holds_the_model_its_compiled_form_and_what_is_known_of_both(built: Path) -> None:
    files = {path.relative_to(built).as_posix() for path in built.rglob("*") if path.is_file()}
    assert files == {
        "manifest.json",
        "measured.json",
        "golden.json",
        "profile.json",
        "original/genre.joblib",
        "compiled/model.onnx",
        "compiled/compiled.json",
    }
    manifest = manifest_of(built)
    assert manifest["compiled"] is True
    assert manifest["environment"]["scikit-learn"]
    assert len(read_bundle(built).golden()) > 90
    assert len(read_bundle(built).profile()["tempo"]["quantiles"]) == 21
    assert (
        verify_bundle(built, resolve({}))[-1]
        == f"{len(read_bundle(built).golden())} golden cases answered by the original"
    )


def test_the_same_input_gives_the_same_digest_whatever_the_folder_is_called(
    built: Path, tmp_path: Path, music: Any
) -> None:
    again = build_bundle(music.joblib, tmp_path / "other.bundle", resolve({"data": music.data, "target": "genre"}))
    assert again.version == read_bundle(built).version


def test_a_bundle_answers_as_the_original_and_says_which_version_it_is(bundle: Path, music: Any) -> None:
    rows = pd.read_csv(music.data).head(50)
    model = joblib.load(music.joblib)
    features = list(model.feature_names_in_)
    wanted = model.predict_proba(rows[features]).tolist()
    with serving(bundle, no_compile=False) as service:
        answers = service.predict(rows[features].to_dict("records"))
        assert [list(answer["probabilities"].values()) for answer in answers] == wanted
        assert service.signature["version"] == read_bundle(bundle).version[:12]
        assert service.signature["form"] == "compiled"
        assert service.signature["parity"]["rows"] > 1000
    with serving(bundle) as service:
        assert service.signature["form"] == "original"
        assert len(service.predict(rows[features].to_dict("records"))) == 50


def test_a_bundle_is_served_under_the_name_it_was_built_with(bundle: Path, music: Any, tmp_path: Path) -> None:
    named = build_bundle(music.joblib, tmp_path / "v2.bundle", resolve({"name": "music", "no_compile": True})).path
    assert model_name(named, resolve({})) == "music"
    assert model_name(named, resolve({"name": "other"})) == "other"
    with serving(named) as service:
        assert service.slot.name == "music"
    rewrite(named, name="no/name")
    with pytest.raises(SetupError, match=r"gives the model the name 'no/name'.*--name"):
        model_name(named, resolve({}))


def cut(bundle: Path) -> None:
    path = bundle / "original" / "genre.joblib"
    path.write_bytes(path.read_bytes()[:-1])


def edit(bundle: Path) -> None:
    path = bundle / "compiled" / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def drop(bundle: Path) -> None:
    (bundle / "golden.json").unlink()


def add(bundle: Path) -> None:
    (bundle / "original" / "genre.toml").write_text("target = 'other'\n")


def link(bundle: Path) -> None:
    path = bundle / "profile.json"
    path.unlink()
    path.symlink_to("/etc/hostname")


def link_folder(bundle: Path) -> None:
    shutil.move(bundle / "compiled", bundle.parent / "elsewhere")
    (bundle / "compiled").symlink_to(bundle.parent / "elsewhere")


def pipe(bundle: Path) -> None:
    os.mkfifo(bundle / "pipe")


def damage(bundle: Path) -> None:
    (bundle / "manifest.json").write_text("{")


def other_format(bundle: Path) -> None:
    rewrite(bundle, format=99)


def add_folder(bundle: Path) -> None:
    (bundle / "original" / "with").mkdir()


def rename_badly(bundle: Path) -> None:
    rewrite(bundle, name="no/name")


def lose_manifest(bundle: Path) -> None:
    (bundle / "manifest.json").unlink()


def escape(bundle: Path) -> None:
    rewrite(bundle, original="../genre.joblib")


def escape_absolutely(bundle: Path) -> None:
    files = manifest_of(bundle)["files"]
    rewrite(bundle, files={**files, "/etc/passwd": {"sha256": "", "size": 1}})


def unlist(bundle: Path) -> None:
    files = manifest_of(bundle)["files"]
    del files["original/genre.joblib"]
    rewrite(bundle, files=files)


def answer_otherwise(bundle: Path) -> None:
    path = bundle / "golden.json"
    cases = json.loads(path.read_text())
    cases[0]["answer"]["prediction"] = "Polka"
    path.write_text(json.dumps(cases))
    seal(bundle)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (cut, "original/genre.joblib has"),
        (edit, "compiled/model.onnx is not what it was"),
        (drop, "golden.json is missing"),
        (add, "original/genre.toml does not belong"),
        (link, "profile.json is a link"),
        (link_folder, "compiled is a link"),
        (pipe, "pipe is no plain file"),
        (add_folder, "the folder original/with does not belong"),
        (rename_badly, "gives the model the name 'no/name'"),
        (damage, "manifest.json is damaged"),
        (other_format, "of format 99"),
        (escape, "not inside the bundle"),
        (escape_absolutely, "not inside the bundle"),
        (unlist, "does not list its own model"),
        (answer_otherwise, "a golden case is answered otherwise .*: recorded .*Polka.*, now .*prediction"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_is_not_as_it_was_built_is_refused_by_name(
    bundle: Path, change: Callable[[Path], None], said: str
) -> None:
    change(bundle)
    with pytest.raises(SetupError, match=said):
        verify_bundle(bundle, resolve({}))
    with pytest.raises((SetupError, AssertionError), match=said), serving(bundle, no_compile=False):
        pass


def test_a_bundle_without_its_manifest_is_told_so(bundle: Path, music: Any) -> None:
    lose_manifest(bundle)
    with pytest.raises(SetupError, match=r"is a damaged bundle: manifest\.json is missing"):
        find_loader(bundle)


def test_a_bundle_is_not_built_of_a_bundle(bundle: Path, tmp_path: Path) -> None:
    for out in (bundle, tmp_path / "new.bundle"):
        with pytest.raises(SetupError, match="is a bundle already"):
            build_bundle(bundle, out, resolve({}), force=True)


def test_build_and_verify_count_the_same_files_and_name_those_that_a_signature_alone_covers(
    music: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "genre.bundle"
    with pytest.raises(SystemExit):
        main(["build", str(music.joblib), "-o", str(out), "--no-compile"])
    assert "in 5 files" in capsys.readouterr().out
    found = verify_bundle(out, resolve({}))[0]
    assert found.startswith("3 of 5 files are what they were")
    assert "manifest.json and measured.json are covered by a signature alone" in found


def test_a_name_that_no_model_may_have_is_refused_before_anything_is_built(tmp_path: Path, music: Any) -> None:
    odd = tmp_path / "what?.joblib"
    shutil.copyfile(music.joblib, odd)
    with pytest.raises(SetupError, match=r"gives the model the name 'what\?'.*--name"):
        build_bundle(odd, tmp_path / "out.bundle", resolve({}))
    assert (
        build_bundle(odd, tmp_path / "out.bundle", resolve({"name": "what", "no_compile": True})).manifest.name
        == "what"
    )


def test_an_empty_folder_of_an_artifact_does_not_go_into_the_bundle(tmp_path: Path) -> None:
    (tmp_path / "folder" / "empty").mkdir(parents=True)
    (tmp_path / "folder" / "file").write_text("mine")
    copy_artifact(tmp_path / "folder", tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").rglob("*")] == ["file"]


def test_what_is_there_is_not_written_over_unless_that_is_said(bundle: Path, music: Any) -> None:
    with pytest.raises(SetupError, match="is there already"):
        build_bundle(music.joblib, bundle, resolve({}))
    before = read_bundle(bundle).version
    assert build_bundle(music.joblib, bundle, resolve({"no_compile": True}), force=True).version != before
    assert manifest_of(bundle)["compiled"] is False


def test_a_compiled_form_that_was_proven_with_another_runtime_is_not_used(bundle: Path) -> None:
    rewrite(bundle, runtime="1.0.0")
    with serving(bundle, no_compile=False) as service:
        assert service.signature["form"] == "original"
        assert "proven with ONNX Runtime 1.0.0" in service.signature["why"]
