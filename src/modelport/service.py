"""What a user declares in Python: a service and its models. Data only; nothing here runs anything.

from modelport import Service

service = Service("music")

@service.model("loudness")
def loudness(decibel: float) -> float:
    return 10 ** (decibel / 20)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, TypeVar

from modelport.errors import ConfigError
from modelport.kernel.names import RULE, is_name, suggest_name
from modelport.routes import Mount, WebSurface

Target = TypeVar("Target", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One declared model: a function, or a class with `load` and `predict`."""

    name: str
    target: Callable[..., Any]
    batch: bool = False
    parallel: int = 1
    example: Any = None

    @property
    def place(self) -> str:
        """File and line of its definition, for messages."""
        try:
            return f"{inspect.getsourcefile(self.target)}:{inspect.getsourcelines(self.target)[1]}"
        except (OSError, TypeError):
            return repr(self.target)


@dataclass(slots=True, eq=False)
class Service(WebSurface):
    """Models served together, and routes beside them. `modelport serve app.py` looks for one in the file.

    `dependencies`: FastAPI's, for every route and every prediction. `lifespan`: what runs before the first request and after
    the last.
    """

    name: str
    models: dict[str, ModelSpec] = field(default_factory=dict)
    _: KW_ONLY
    dependencies: Sequence[Any] = ()
    lifespan: Callable[[Any], Any] | None = None
    mounts: list[Mount] = field(default_factory=list)
    _web: Any = field(default=None, init=False, repr=False)

    def model(
        self, name: str | None = None, *, batch: bool = False, parallel: int = 1, example: Any = None
    ) -> Callable[[Target], Target]:
        """Declare a model: decorate a function, or a class with `predict` and, if it must load something, `load`.

        `batch`: it takes a list of bodies and returns as many answers. `parallel`: how many calls it stands at once; one,
        unless its author knows better. `example`: a body that is run once before the model is called ready.
        Raises ConfigError for a name that is taken, a class without `predict`, or a `parallel` below 1.
        """
        if callable(name):
            raise ConfigError("write @service.model() with parentheses")

        def declare(target: Target) -> Target:
            spec = ModelSpec(name or _default_name(target), target, batch, parallel, example)
            self._check(spec)
            self.models[spec.name] = spec
            return target

        return declare

    def _check(self, spec: ModelSpec) -> None:
        if spec.name in self.models:
            raise ConfigError(f"{spec.place}: a model called {spec.name!r} is declared already")
        if not is_name(spec.name):
            raise ConfigError(
                f"{spec.place}: a model wants {RULE}, not {spec.name!r}: "
                f'choose another, for example  @service.model("{suggest_name(spec.name)}")'
            )
        if inspect.isclass(spec.target) and not callable(getattr(spec.target, "predict", None)):
            raise ConfigError(f"{spec.place}: the class {spec.target.__name__} has no method predict")
        if isinstance(spec.parallel, bool) or not isinstance(spec.parallel, int) or spec.parallel < 1:
            raise ConfigError(f"{spec.place}: parallel wants a whole number of at least 1, not {spec.parallel!r}")


def _default_name(target: Callable[..., Any]) -> str:
    return getattr(target, "__name__", type(target).__name__)
