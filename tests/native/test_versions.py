"""Which environment a file needs, from what it stores."""

from __future__ import annotations

import pytest

from modelport.errors import ArtifactError
from modelport.native.interpreters import find_interpreters
from modelport.native.versions import StoredVersions, is_version, needed
from tests.native.places import need_of


@pytest.mark.parametrize("text", ["0.18", "0.22.2.post1", "1.5.2", "1.0rc1"])
def test_a_released_version_is_one(text: str) -> None:
    assert is_version(text)


@pytest.mark.parametrize(
    "text", ["", "1", "1.2.3 --index-url=x", "1.2;x", "1.2.*", "1.2.dev0", "١.٢", "1.2\n", "-r x", "1.2.3.4.5.6"]
)
def test_nothing_else_of_a_file_reaches_an_installer(text: str) -> None:
    assert not is_version(text)
    with pytest.raises(ArtifactError, match=r"which is no release|is not stored in it"):
        needed(StoredVersions({"scikit-learn": text}))


def test_a_release_comes_with_its_contemporaries_and_an_interpreter_of_its_time() -> None:
    need = need_of("0.22.2.post1")
    assert need.pythons == ("3.8", "3.7", "3.6")
    assert need.requirements[:5] == (
        "scikit-learn==0.22.2.post1",
        "numpy<1.19",
        "scipy<1.5",
        "joblib<0.15",
        "threadpoolctl",
    )


def test_libraries_that_store_no_version_are_refused_by_name() -> None:
    stored = StoredVersions({"scikit-learn": "1.2.2"}, frozenset({"scikit-learn", "xgboost"}))
    with pytest.raises(ArtifactError, match="it needs xgboost, whose version it does not store"):
        needed(stored)


def test_releases_without_a_known_environment_are_refused() -> None:
    with pytest.raises(ArtifactError, match=r"scikit-learn 0.15.2 has no known environment: those of 0.18 to 1.9 have"):
        need_of("0.15.2")


def test_an_interpreter_that_is_not_here_is_named_with_what_installs_it() -> None:
    with pytest.raises(ArtifactError, match=r"needs Python 3.4, .* run  uv python install 3.4  or  pyenv install 3.4"):
        find_interpreters(["3.4"])
