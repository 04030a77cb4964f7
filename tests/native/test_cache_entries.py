"""What lies in the cache: told with its size, checked against the wheels, removed unless somebody serves from it."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from modelport.assembly.entries import (
    COMPILED,
    ENVIRONMENT,
    PROOF,
    START,
    UNFINISHED,
    Entry,
    changed_files,
    chosen,
    entries,
    remove,
)
from modelport.errors import ArtifactError, ConfigError
from modelport.native.environments import find, provide
from modelport.native.installers import NotHere
from modelport.native.locks import hold, is_held
from modelport.native.process import ForeignProcess
from modelport.native.proofs import NATIVE, Proof, Proofs
from tests.native.places import OTHER, need_of, put_installed

INPUTS = np.random.default_rng(0).normal(size=(40, 2))


def entry_of(cache: Path, kind: str) -> Entry:
    return next(entry for entry in entries(cache) if entry.kind == kind)


def keep_proof(cache: Path) -> Path:
    proofs = Proofs(cache)
    proofs.keep("ab" * 16, Proof(NATIVE, OTHER, "1.9.1", rows=1200))
    return proofs.place("ab" * 16)


def test_environments_proofs_and_compiled_models_are_told_with_their_sizes(tmp_path: Path) -> None:
    put_installed(tmp_path)
    proof = keep_proof(tmp_path)
    compiled = tmp_path / "compiled" / ("cd" * 16)
    compiled.mkdir(parents=True)
    (compiled / "model.onnx").write_bytes(b"12345")
    (compiled / "about.json").write_bytes(b"{}")
    assert entry_of(tmp_path, ENVIRONMENT).what == f"scikit-learn {OTHER}, Python 3.11.0"
    assert entry_of(tmp_path, PROOF).what == f"saved by scikit-learn {OTHER}, native, 1,200 rows"
    assert (entry_of(tmp_path, PROOF).size, entry_of(tmp_path, PROOF).key) == (proof.stat().st_size, "ab" * 16)
    assert entry_of(tmp_path, COMPILED).size == 7
    assert not any(entry.in_use for entry in entries(tmp_path))


def test_what_served_at_the_last_start_is_told_and_removed(tmp_path: Path) -> None:
    (tmp_path / "starts").mkdir()
    (tmp_path / "starts" / "12.json").write_text("{}")
    (entry,) = entries(tmp_path)
    assert (entry.kind, entry.size, remove(entry), entries(tmp_path)) == (START, 2, True, [])


def test_an_empty_cache_holds_nothing(tmp_path: Path) -> None:
    assert entries(tmp_path / "nowhere") == []


def test_what_is_removed_is_gone_and_found_no_more(tmp_path: Path) -> None:
    put_installed(tmp_path)
    keep_proof(tmp_path)
    assert [remove(entry) for entry in entries(tmp_path)] == [True, True]
    assert entries(tmp_path) == []
    assert find(need_of(OTHER), tmp_path) is None
    assert Proofs(tmp_path).find("ab" * 16) is None


def test_an_environment_that_a_process_runs_in_is_left_until_that_has_ended(tmp_path: Path) -> None:
    environment = put_installed(tmp_path)
    joblib.dump(LogisticRegression().fit(INPUTS, INPUTS[:, 0] > 0), tmp_path / "model.joblib")
    process = ForeignProcess(environment)
    try:
        process.load(tmp_path / "model.joblib")
        assert entry_of(tmp_path, ENVIRONMENT).in_use
        assert not remove(entry_of(tmp_path, ENVIRONMENT))
        assert find(need_of(OTHER), tmp_path) is not None
    finally:
        process.close()
    assert remove(entry_of(tmp_path, ENVIRONMENT))


def test_a_proof_that_this_process_serves_by_is_left(tmp_path: Path) -> None:
    hold(keep_proof(tmp_path))
    assert entry_of(tmp_path, PROOF).in_use
    assert not remove(entry_of(tmp_path, PROOF))
    assert Proofs(tmp_path).find("ab" * 16) is not None


def test_to_list_an_entry_keeps_nobody_from_using_it(tmp_path: Path) -> None:
    proof = keep_proof(tmp_path)
    assert not is_held(proof)
    hold(proof)
    assert is_held(proof)


def test_what_a_killed_build_has_left_is_told_and_the_next_build_removes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise NotHere("there is no wheel")

    need = need_of("1.7.0")
    left = tmp_path / "native" / f"draft-{need.key}-abc"
    left.mkdir(parents=True)
    (left / "half.so").write_bytes(b"123")
    entry = entry_of(tmp_path, UNFINISHED)
    assert (entry.size, entry.in_use) == (3, False)
    monkeypatch.setattr("modelport.native.environments.install", fail)
    with pytest.raises(ArtifactError, match="there is no wheel"):
        provide(need, tmp_path)
    assert not left.exists()


def test_entries_are_chosen_by_the_start_of_their_key_by_kind_and_by_age(tmp_path: Path) -> None:
    put_installed(tmp_path)
    os.utime(keep_proof(tmp_path), (time.time() - 10 * 86400,) * 2)
    found = entries(tmp_path)
    assert [e.kind for e in chosen(found, ["abab"], [], 0)] == [PROOF]
    assert [e.kind for e in chosen(found, [], [ENVIRONMENT], 0)] == [ENVIRONMENT]
    assert [e.kind for e in chosen(found, [], [ENVIRONMENT, PROOF], 5)] == [PROOF]
    with pytest.raises(ConfigError, match=r"nothing has the key 'zz' .* modelport cache list"):
        chosen(found, ["zz"], [], 0)


def test_a_file_that_is_not_that_of_its_wheel_is_named(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.8" / "site-packages"
    (packages / "some-1.dist-info").mkdir(parents=True)
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"x = 1\n").digest()).rstrip(b"=").decode()
    lines = [f"{name},sha256={digest},6" for name in ("some.py", "same.py", "../../bin/tool")]
    (packages / "some-1.dist-info" / "RECORD").write_text("\n".join([*lines, "some-1.dist-info/RECORD,,"]))
    for name in ("some.py", "same.py"):
        (packages / name).write_text("x = 1\n")
    assert changed_files(tmp_path) == []
    (packages / "some.py").write_text("x = 2\n")
    assert changed_files(tmp_path) == ["some.py"]
    (packages / "some.py").unlink()
    assert changed_files(tmp_path) == ["some.py"]


def test_an_environment_that_others_may_write_to_is_not_run(tmp_path: Path) -> None:
    folder = put_installed(tmp_path).folder
    folder.chmod(folder.stat().st_mode | stat.S_IWOTH)
    with pytest.raises(ArtifactError, match="may be written by every user, and nothing in it is used"):
        find(need_of(OTHER), tmp_path)


def test_a_proof_in_a_folder_that_others_may_write_to_is_not_believed(tmp_path: Path) -> None:
    folder = keep_proof(tmp_path).parent
    folder.chmod(folder.stat().st_mode | stat.S_IWOTH)
    with pytest.raises(ArtifactError, match="may be written by every user"):
        Proofs(tmp_path).find("ab" * 16)
