"""Fakes: what is asked in place of a model."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from modelport.assembly.embedded import OpenStandIn
from modelport.assembly.stand_ins import python_stand_in, saved_stand_in
from modelport.errors import ConfigError
from modelport.service import Service

_NOTHING = object()


class Fake:
    """Answers in place of a model, and keeps what it was asked: `calls`, in their order.

    `Fake({"prediction": "Rock"})` always gives this answer. `Fake(fails=ValueError("no"))` fails as a model that raises it, and
    `Fake(fails=modelport.Overloaded("full"))` as one that is overloaded. `Fake(function=f)` asks `f`: with the arguments of the
    function that it replaces, or with one record, as a dict, where it replaces a saved model.
    """

    def __init__(
        self, answer: Any = _NOTHING, *, function: Callable[..., Any] | None = None, fails: Any = None
    ) -> None:
        given = [answer is not _NOTHING, function is not None, fails is not None]
        if sum(given) != 1:
            raise ConfigError("a Fake wants one of these: an answer, function=…, or fails=…")
        self.answer = None if answer is _NOTHING else answer
        self.calls: list[Any] = []
        self._function = function
        self._fails = fails

    @classmethod
    def of(cls, value: Any) -> Fake:
        """A fake itself, an exception to raise, a function to ask, or an answer to give."""
        if isinstance(value, Fake):
            return value
        if isinstance(value, BaseException) or (inspect.isclass(value) and issubclass(value, BaseException)):
            return cls(fails=value)
        return cls(function=value) if callable(value) else cls(value)

    def as_called(self) -> Callable[..., Any]:
        """What is asked in place of the model."""

        def ask(*args: Any, **fields: Any) -> Any:
            self.calls.append(args[0] if args else fields)
            if self._fails is not None:
                raise self._fails
            return self.answer if self._function is None else self._function(*args, **fields)

        if not inspect.iscoroutinefunction(self._function):
            return ask

        async def ask_later(*args: Any, **fields: Any) -> Any:
            return await ask(*args, **fields)

        return ask_later


class Complaints:
    """What fakes have answered that their models could not have. Whoever asks for an answer hears of it instead."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: list[str] = []

    def add(self, text: str) -> None:
        """From whatever thread the fake runs in."""
        with self._lock:
            self._texts.append(text)

    def check(self) -> None:
        """Raise AssertionError for the first one."""
        with self._lock:
            if self._texts:
                raise AssertionError(self._texts.pop(0))


@contextmanager
def replaced(service: Service, fakes: Mapping[str, Any], complaints: Complaints) -> Iterator[dict[str, OpenStandIn]]:
    """Fakes of models in Python stand in the service meanwhile; those of saved ones are what is given."""
    before, stand_ins = dict(service.models), {}
    for name, value in fakes.items():
        _refuse_unknown(name, service.names)
        fake = Fake.of(value)
        if name in service.saved:
            stand_ins[name] = saved_stand_in(name, fake.as_called(), complaints.add, fake.answer)
        else:
            service.models[name] = python_stand_in(service.models[name], fake.as_called(), complaints.add, fake.answer)
    try:
        yield stand_ins
    finally:
        service.models.clear()
        service.models.update(before)


def _refuse_unknown(name: str, known: list[str]) -> None:
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"
        raise ConfigError(f"fakes: there is no model {name!r}; {hint}")
