"""The client of the shop's tests: the app itself, without a server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from shop import create_app


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    with create_app(str(tmp_path / "shop.sqlite")).test_client() as client:
        yield client
