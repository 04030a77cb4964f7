"""What children may say to the supervisor. A model's code runs in some of them: nothing else is believed."""

from __future__ import annotations

from modelport.runtime.channel import BadLine, Message

FORM = {"form", "executor", "reason", "why"}
EVENTS: dict[str, dict[str, set[str]]] = {
    "worker": {"ready": {"models"}, "failed": {"error"}, "form": {"model", *FORM}},
    "compiler": {"begun": set(), "compiled": FORM, "failed": {"error"}},
    "holder": {"ready": {"version", "threads"}, "failed": {"error"}, "catalog": {"models", "web"}},
}
"""By the role of the child: the kinds of its events, and what belongs to each."""


def take_kind(role: str, event: Message) -> str:
    """The kind of an event, taken out of it. Raises BadLine for what a child of this role does not say."""
    kind = event.pop("event", None)
    needed = EVENTS[role].get(kind) if isinstance(kind, str) else None
    if not isinstance(kind, str) or needed is None or not needed <= event.keys():
        raise BadLine(f"{kind!r:.60} with {', '.join(event)[:200] or 'nothing'}")
    return kind
