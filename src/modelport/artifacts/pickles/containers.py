"""What both readers of pickles share: how dicts and lists are filled, with what may be filled left to each."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, ClassVar

_InPython: Any = pickle._Unpickler


def _late(name: str) -> Callable[[Any], None]:
    """The method of whichever class reads: Python's table of opcodes holds functions, which know no subclass."""
    return lambda reader: getattr(reader, name)()


class ContainerReader(_InPython):  # type: ignore[misc]
    """Python's own unpickler in Python, with the opcodes that fill a dict or a list taken over."""

    dispatch: ClassVar[dict[int, Any]] = {
        **_InPython.dispatch,
        pickle.SETITEM[0]: _late("load_setitem"),
        pickle.SETITEMS[0]: _late("load_setitems"),
        pickle.DICT[0]: _late("load_dict"),
        pickle.APPEND[0]: _late("load_append"),
        pickle.APPENDS[0]: _late("load_appends"),
    }

    def set_items(self, items: list[Any]) -> None:
        """Fill what lies on top of the stack with keys and values, in turn."""
        raise NotImplementedError

    def extend(self, items: list[Any]) -> None:
        """Fill what lies on top of the stack with elements."""
        raise NotImplementedError

    def load_setitem(self) -> None:
        """One key of a dict."""
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def load_setitems(self) -> None:
        """Several."""
        self.set_items(self.pop_mark())

    def load_dict(self) -> None:
        """A dict of what lies on the stack."""
        items = self.pop_mark()
        self.append({})
        self.set_items(items)

    def load_append(self) -> None:
        """One element of a list."""
        self.extend([self.stack.pop()])

    def load_appends(self) -> None:
        """Several."""
        self.extend(self.pop_mark())
