"""The documentation is executed: every command in it works, and every answer it shows is the answer."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import read_blocks
from tests.docs.session import Session

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
EXECUTED = [
    ROOT / "README.md",
    DOCS / "tutorial.md",
    *sorted((DOCS / "how-to").glob("*.md")),
    DOCS / "reference" / "http-api.md",
    DOCS / "reference" / "python-api.md",
]
EVERY_TIME = {
    "README",
    "tutorial",
    "models-in-python",
    "web-routes",
    "streaming",
    "bundles",
    "compile",
    "existing-app",
    "several-models",
    "models-that-call-models",
    "http-api",
    "python-api",
    "pickles",
}
"""The pages that make test runs. All others are run by make test-slow: they build and start much."""
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)]*)?\)")
LARGEST_PICTURE = 150_000


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every page may take for granted: the tutorial's model in both forms, and its data."""
    folder = tmp_path_factory.mktemp("material")
    train = ROOT / "examples" / "music" / "train.py"
    subprocess.run([sys.executable, str(train), "--out", str(folder), "--onnx"], check=True, capture_output=True)
    shutil.copyfile(ROOT / "examples" / "music" / "music.csv", folder / "train.csv")
    return folder


@pytest.fixture
def session(material: Path, tmp_path: Path) -> Iterator[Session]:
    """A reader in a folder of their own."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    folder = tmp_path / "reader"
    shutil.copytree(material, folder)
    reader = Session(folder, ROOT)
    yield reader
    reader.close()


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=page.stem, marks=[pytest.mark.slow] * (page.stem not in EVERY_TIME)) for page in EXECUTED],
)
def test_a_page_does_what_it_shows(page: Path, session: Session) -> None:
    session.read(read_blocks(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    targets = [found[1] for found in LINK.finditer(page.read_text(encoding="utf-8")) if "://" not in found[1]]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_page_can_be_reached_from_the_first() -> None:
    reached: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        found = LINK.finditer(page.read_text(encoding="utf-8"))
        ahead += [(page.parent / link[1]).resolve() for link in found if "://" not in link[1]]
    assert [str(page) for page in PAGES if page.resolve() not in reached] == []


def test_pictures_are_small() -> None:
    sizes = {picture.name: picture.stat().st_size for picture in (DOCS / "images").iterdir()}
    assert {name: size for name, size in sizes.items() if size > LARGEST_PICTURE} == {}
