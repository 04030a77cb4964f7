"""The pytest plugin: fixtures for a service that the configuration or a mark names, and golden cases as tests.

Nothing of the service is imported until a test asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx

INI, MARK = "modelport_service", "modelport"
GOLDEN = (".golden.ndjson", ".golden.jsonl", ".golden.csv")


def pytest_addoption(parser: pytest.Parser) -> None:
    """What a configuration may say."""
    parser.addini(
        INI, 'What the fixture modelport_client serves: "app.py", "app.py:service", a saved model or a bundle.'
    )


def pytest_configure(config: pytest.Config) -> None:
    """The mark, for `--strict-markers` and `pytest --markers`."""
    line = "modelport(target, fakes=…, **options): what modelport_client serves in this test, as modelport.testing.client takes it"
    config.addinivalue_line("markers", line)
    config.stash[CLIENTS] = OpenClients()


def pytest_unconfigure(config: pytest.Config) -> None:
    """The services end with the tests."""
    if (clients := config.stash.get(CLIENTS, None)) is not None:
        clients.close()


# -- fixtures --------------------------------------------------------------------------------------------------------


class OpenClients:
    """Clients that are open until the tests are over, so that each service loads its models once."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._open: dict[Any, Any] = {}

    def get(self, target: Any, options: dict[str, Any]) -> Any:
        """The client of a service; a new one where it has not been asked for in this way."""
        from modelport.testing.clients import client

        key = (target if isinstance(target, str) else id(target), repr(sorted(options.items())))
        if key not in self._open:
            self._open[key] = (self._stack.enter_context(client(target, **options)), target)
        return self._open[key][0]

    def close(self) -> None:
        """Shut all of them down."""
        self._stack.close()


CLIENTS = pytest.StashKey[OpenClients]()


@pytest.fixture
def modelport_client(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A client of the service that `@pytest.mark.modelport(…)` names, or else the configuration (`modelport_service`).

    The service is started once for all tests that ask for it in the same way, and anew for each with fakes.
    """
    target, options = _said(request)
    if "fakes" in options:
        from modelport.testing.clients import client

        with client(target, **options) as api:
            yield api
        return
    api = request.config.stash[CLIENTS].get(target, options)
    yield api
    api.cookies.clear()


def _said(request: pytest.FixtureRequest) -> tuple[Any, dict[str, Any]]:
    mark = request.node.get_closest_marker(MARK)
    target = mark.args[0] if mark is not None and mark.args else _configured(request.config)
    if not target:
        raise pytest.UsageError(
            f'modelport_client: say what is served: {INI} = "app.py" in the configuration, or @pytest.mark.{MARK}("app.py")'
        )
    return target, dict(mark.kwargs) if mark is not None else {}


def _configured(config: pytest.Config) -> str:
    """Paths are relative to the configuration."""
    said = str(config.getini(INI) or "")
    here = config.rootpath / said.partition(":")[0]
    return str(config.rootpath / said) if said and here.exists() else said


# -- golden cases ----------------------------------------------------------------------------------------------------


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """`genre.golden.ndjson` holds cases for the model `genre`, where the configuration says what is served."""
    if file_path.name.endswith(GOLDEN) and _configured(parent.config):
        collector: pytest.Collector = GoldenFile.from_parent(parent, path=file_path)
        return collector
    return None


class GoldenFile(pytest.File):
    """A file of cases for one model. It is one test, since a table can only be read by what the model tells of its inputs."""

    def collect(self) -> Iterable[pytest.Item]:
        """One test."""
        model = self.path.name.partition(".golden.")[0]
        yield GoldenItem.from_parent(self, name=model)


class GoldenItem(pytest.Item):
    """Every case is asked; what differs is told case by case and field by field."""

    def runtest(self) -> None:
        """Raises AssertionError."""
        from modelport.testing.golden import replay

        api = self.config.stash[CLIENTS].get(_configured(self.config), {})
        replay(api, self.path, model=self.name).check()

    def repr_failure(self, excinfo: Any, style: Any = None) -> str:
        """What differs, without a traceback through us."""
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it stands."""
        return self.path, None, f"golden cases of {self.name}"
