"""What an image installs: exactly what is needed, at exactly the versions that were proven."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from modelport.deploy.requirements import Pin, accelerators, close_over, named_in, read_requirements
from modelport.errors import ConfigError


def names(pins: tuple[Pin, ...]) -> set[str]:
    return {pin.name for pin in pins}


def test_a_compiled_model_needs_no_training_library() -> None:
    pins = close_over(["modelport[onnx]"], {})
    assert {"modelport", "onnxruntime", "numpy", "uvicorn", "pydantic-core"} <= names(pins)
    assert names(pins).isdisjoint({"scikit-learn", "scipy", "pandas", "joblib", "onnx"})


def test_an_original_needs_the_library_that_saved_it_at_the_version_that_was_recorded() -> None:
    pins = {pin.name: pin.version for pin in close_over(["modelport[sklearn]"], {"scikit_learn": "1.4.2"})}
    assert pins["scikit-learn"] == "1.4.2"
    assert pins["pandas"] == version("pandas")


def test_what_nobody_knows_the_version_of_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"pip install 'nobody-has-this'"):
        close_over(["nobody-has-this"], {})


def test_packages_that_need_each_other_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(close_over(["modelport[all]", "modelport[onnx]", "modelport"], {})) > 20


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_is_read_in_any_encoding_that_people_write(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "requirements.txt").write_text("numpy\nhttpx[http2]>=0.20 # why\n\n# nothing\n", encoding=encoding)
    pins = read_requirements(tmp_path / "requirements.txt")
    assert {"modelport", "numpy", "httpx"} <= names(pins)


def test_what_is_not_installed_here_stays_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("nobody-has-this>=2\nnor-this==3.1\n", encoding="utf-8")
    pins = {pin.name: pin for pin in read_requirements(tmp_path / "r.txt")}
    assert str(pins["nobody-has-this"]) == "nobody-has-this>=2"
    assert str(pins["nor-this"]) == "nor-this==3.1"


def test_lists_that_include_lists_are_followed(tmp_path: Path) -> None:
    (tmp_path / "base.txt").write_text("numpy\n", encoding="utf-8")
    (tmp_path / "r.txt").write_text("-r base.txt\nhttpx\n", encoding="utf-8")
    assert named_in(tmp_path / "r.txt") == ("numpy", "httpx")


@pytest.mark.parametrize(
    ("line", "said"), [("--index-url x", "line 1: --index-url"), ("-e .", "line 1: -e"), ("a b c", "line 1: 'a b c'")]
)
def test_a_line_that_is_no_package_is_named(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "r.txt").write_text(line, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        named_in(tmp_path / "r.txt")


def test_packages_that_bring_cuda_are_seen() -> None:
    pins = (Pin("numpy", "2"), Pin("nvidia-cublas-cu12", "12"), Pin("triton", "3"), Pin("torch", "2"))
    assert accelerators(pins) == ("nvidia-cublas-cu12", "triton")
