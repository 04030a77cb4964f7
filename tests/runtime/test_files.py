"""Watched files: a change is told once, when it has come to rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelport.runtime.files import FileWatch, expanded, stamp_of


@pytest.fixture
def watched(tmp_path: Path) -> tuple[FileWatch, Path, Path]:
    """Two files that were read."""
    first, second = tmp_path / "app.py", tmp_path / "helper.py"
    for path in (first, second):
        path.write_text("x = 1\n")
    watch = FileWatch()
    watch.expect({str(path): stamp_of(str(path)) for path in (first, second)})
    return watch, first, second


def look(watch: FileWatch, *times: float) -> list[list[str]]:
    """What it tells at these times, by file names."""
    return [[Path(path).name for path in watch.look(time)] for time in times]


def test_nothing_is_told_while_nothing_changes(watched: tuple[FileWatch, Path, Path]) -> None:
    assert look(watched[0], 1.0, 2.0, 3.0) == [[], [], []]


def test_a_change_is_told_once_when_it_has_come_to_rest(watched: tuple[FileWatch, Path, Path]) -> None:
    watch, first, _ = watched
    first.write_text("x = 22\n")
    assert look(watch, 1.0, 1.11, 1.22, 1.33, 5.0) == [[], [], ["app.py"], [], []]


def test_several_files_that_are_saved_one_after_another_are_one_change(watched: tuple[FileWatch, Path, Path]) -> None:
    watch, first, second = watched
    first.write_text("x = 22\n")
    assert look(watch, 1.0, 1.1) == [[], []]
    second.write_text("x = 333\n")
    assert look(watch, 1.21, 1.32, 1.43) == [[], [], ["app.py", "helper.py"]]


def test_a_file_that_is_moved_away_and_comes_back_is_not_missed_and_not_told_as_gone(
    watched: tuple[FileWatch, Path, Path],
) -> None:
    watch, first, _ = watched
    first.rename(first.with_suffix(".bak"))
    assert look(watch, 1.0, 1.2, 1.4) == [[], [], []]
    first.write_text("x = 4444\n")
    assert look(watch, 1.51, 1.7) == [[], ["app.py"]]


def test_a_file_that_stays_away_is_told(watched: tuple[FileWatch, Path, Path]) -> None:
    watch, first, _ = watched
    first.unlink()
    assert look(watch, 1.0, 1.5, 2.1) == [[], [], ["app.py"]]


def test_a_python_file_that_is_added_changes_its_folder_and_other_files_do_not(tmp_path: Path) -> None:
    before = stamp_of(str(tmp_path))
    (tmp_path / "notes.txt").touch()
    assert stamp_of(str(tmp_path)) == before
    (tmp_path / "later.py").touch()
    assert stamp_of(str(tmp_path)) != before


def test_an_artifact_that_is_a_folder_is_its_files(tmp_path: Path) -> None:
    (tmp_path / "model" / "data").mkdir(parents=True)
    (tmp_path / "model" / "data" / "model.onnx").touch()
    assert expanded([str(tmp_path / "model"), "gone.joblib"]) == [
        str(tmp_path / "model" / "data" / "model.onnx"),
        "gone.joblib",
    ]
