"""`modelport cache`: what it prints, and that it says what it left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelport.cli.main import main
from modelport.native.locks import hold
from tests.native.places import OTHER, put_installed
from tests.native.test_cache_entries import keep_proof


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["cache", *arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_list_names_each_entry_and_the_total(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment = put_installed(tmp_path)
    code, out, _ = said(capsys, "list", "--cache-dir", str(tmp_path))
    assert code == 0
    assert out.splitlines()[0].split() == ["kind", "key", "size", "last", "used"]
    assert f"environment  {environment.folder.name}" in out
    assert f"scikit-learn {OTHER}, Python 3.11.0" in out
    assert out.splitlines()[-1] == f"1 entry, 1 B, in {tmp_path}"


def test_size_adds_up_each_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_installed(tmp_path)
    code, out, _ = said(capsys, "size", "--json", "--cache-dir", str(tmp_path))
    told = json.loads(out)
    assert (code, told["bytes"], told["environment"]) == (0, 1, {"entries": 1, "bytes": 1})


def test_remove_wants_to_be_told_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "remove", "--cache-dir", str(tmp_path))
    assert code == 2
    assert "say what to remove" in err


def test_remove_says_what_is_in_use_and_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_installed(tmp_path)
    hold(keep_proof(tmp_path))
    code, out, _ = said(capsys, "remove", "--all", "--cache-dir", str(tmp_path))
    assert code == 0
    assert out.startswith(f"in use, and left: proof {'ab' * 16}")
    assert "removed 1 entry" in out


def test_a_key_that_nothing_has_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "remove", "1234", "--cache-dir", str(tmp_path))
    assert (code, "nothing has the key '1234'" in err) == (2, True)


def test_check_ends_with_1_where_a_file_was_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = put_installed(tmp_path).folder
    assert said(capsys, "check", "--cache-dir", str(tmp_path))[0] == 0
    records = next(folder.glob("lib/python*/site-packages")) / "some-1.dist-info"
    records.mkdir()
    (records / "RECORD").write_text("some.py,sha256=abc,1\n")
    code, out, _ = said(capsys, "check", "--cache-dir", str(tmp_path))
    assert code == 1
    assert "1 file differs, some.py first: modelport cache remove" in out
