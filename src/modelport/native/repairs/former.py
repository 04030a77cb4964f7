"""Classes that answer as a former release did, where the installed one answers by other rules; and stand-ins for what is gone."""

from __future__ import annotations

from typing import Any


def keep_rules(thing: Any, rules: type[Any]) -> None:
    """Let an object answer by `rules`, methods that stand before its own."""
    thing.__class__ = _with_rules(type(thing), rules)


_MADE: dict[tuple[type[Any], type[Any]], type[Any]] = {}


def _with_rules(cls: type[Any], rules: type[Any]) -> type[Any]:
    """Called as the class itself; of our module, so that nothing takes it for the installed release's own."""
    if (cls, rules) not in _MADE:
        about = {"__module__": rules.__module__, "__doc__": rules.__doc__}
        _MADE[cls, rules] = type(cls.__name__, (rules, cls), about)
    return _MADE[cls, rules]


class Forgotten:
    """Stands for an object whose class is gone, and of which at most some numbers are still needed."""

    def __init__(self, *_: Any) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        """Keep what was told of it."""
        self.state = dict(state) if isinstance(state, dict) else {}

    def __getattr__(self, name: str) -> Any:
        if name == "state":  # of one that was made without its constructor, and has no state
            self.state = {}
            return self.state
        raise AttributeError(name)
