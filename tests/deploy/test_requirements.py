"""What an image installs: exactly what is needed, at exactly the versions that were proven."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from modelport.deploy.image import requirements_text
from modelport.deploy.requirements import (
    Pin,
    accelerators,
    close_over,
    named_in,
    needed_by,
    not_here,
    other_than_here,
    read_requirements,
    without_hashes,
)
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


def one(folder: Path, *lines: str) -> dict[str, Pin]:
    (folder / "r.txt").write_text("\n".join(lines), encoding="utf-8")
    return {pin.name: pin for pin in read_requirements(folder / "r.txt")}


NUMPY = version("numpy")


def test_a_package_from_elsewhere_keeps_its_address(tmp_path: Path) -> None:
    line = "httpx @ git+https://code.example/httpx@1"
    pins = one(tmp_path, line)
    assert str(pins["httpx"]) == line
    assert str(pins["httpcore"]) == f"httpcore=={version('httpcore')}"  # what it needs comes along


def test_many_versions_are_none_that_an_image_could_be_pinned_to(tmp_path: Path) -> None:
    major = NUMPY.partition(".")[0]
    assert str(one(tmp_path, f"numpy=={major}.*")["numpy"]) == f"numpy=={NUMPY}"


def test_a_build_of_the_stated_version_stays_that_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its local part, torch 2.4.0+cpu becomes the build with CUDA."""
    package = tmp_path / "heavy-2.4.0+cpu.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: heavy\nVersion: 2.4.0+cpu\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    pin = one(tmp_path, "heavy==2.4.0")["heavy"]
    assert str(pin) == "heavy==2.4.0+cpu"
    assert other_than_here([pin]) == ()


def test_a_version_that_was_not_measured_is_told(tmp_path: Path) -> None:
    pins = one(tmp_path, "numpy==1.0")
    assert str(pins["numpy"]) == "numpy==1.0"
    assert other_than_here(pins.values()) == (f"numpy==1.0 ({NUMPY} here)",)


def test_a_list_that_does_not_allow_what_is_installed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"numpy<1\.5 is wanted, and .* is installed here"):
        one(tmp_path, "numpy<1.5")


def test_what_is_not_installed_here_is_told_since_it_comes_without_what_it_needs(tmp_path: Path) -> None:
    assert not_here(one(tmp_path, "numpy", "nobody-has-this>=2").values()) == ("nobody-has-this>=2",)


HASHED = f"""\
modelport=={version("modelport")} --hash=sha256:01
# as tools write it that lock
numpy=={NUMPY} \\
    --hash=sha256:ab \\
    --hash=sha256:cd
"""


def test_hashes_are_taken_along_where_every_package_has_one(tmp_path: Path) -> None:
    pins = one(tmp_path, HASHED)
    assert pins["numpy"].hashes == ("sha256:ab", "sha256:cd")
    assert "uvicorn==" + version("uvicorn") in without_hashes(pins.values())
    assert "--hash" not in requirements_text(tuple(pins.values()), "0.1.0")
    both = (pins["modelport"], pins["numpy"])
    assert without_hashes(both) == ()
    text = requirements_text(both, "0.1.0")
    assert f"numpy=={NUMPY} \\\n    --hash=sha256:ab \\\n    --hash=sha256:cd\n" in text


def test_constraints_are_kept_by_what_is_installed(tmp_path: Path) -> None:
    assert "numpy" in one(tmp_path, "-c constraints.txt", "--require-hashes", "numpy")


@pytest.mark.parametrize("line", ["-e .", "mine @ file:///home/me/mine.whl"])
def test_what_lies_on_this_machine_alone_has_to_become_a_wheel(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match="build a wheel of it into the folder wheels"):
        one(tmp_path, line)


def test_who_asked_for_cuda_is_known() -> None:
    pins = close_over(["xgboost"], {})
    (heavy,) = accelerators(pins)
    assert heavy.startswith("nvidia-nccl")
    assert needed_by(heavy, pins) == ("xgboost",)


def test_lines_for_other_systems_and_other_pythons_are_none_of_this_image(tmp_path: Path) -> None:
    """As tools write them that lock for many."""
    lines = (
        'numpy==1.0 ; python_version < "3.9"',
        f'numpy=={NUMPY} ; python_version >= "3.9"',
        'pywin32 ; sys_platform == "win32"',
    )
    pins = one(tmp_path, *lines)
    assert str(pins["numpy"]) == f"numpy=={NUMPY}"
    assert "pywin32" not in pins
    assert not_here(pins.values()) == ()
