"""What the supervisor believes of what its children say."""

from __future__ import annotations

import pytest

from modelport.runtime.channel import BadLine, Message
from modelport.runtime.events import take_kind

READY = {"event": "ready", "version": "1", "threads": 2}
MODEL = {
    "name": "a",
    "seconds": 0.5,
    "version": "",
    "placement": "inline",
    "reason": "",
    "notes": [],
    "threads": 0,
    "form": {},
}


@pytest.mark.parametrize(
    ("role", "event"),
    [
        ("holder", {**READY, "notes": ["x"], "example": None, "parallel": 3, "list_depth": 1}),
        ("holder", {"event": "catalog", "models": ["a", "b"]}),
        ("worker", {"event": "ready", "models": [MODEL | {"inputs": []}]}),
        ("compiler", {"event": "begun"}),
    ],
)
def test_what_belongs_to_an_event_is_taken(role: str, event: Message) -> None:
    assert take_kind(role, {**event}) == event["event"]


@pytest.mark.parametrize(
    ("role", "event", "why"),
    [
        ("holder", {**READY, "threads": "x"}, "'threads' of a wrong kind: 'x'"),
        ("holder", {**READY, "threads": True}, "of a wrong kind"),
        ("holder", {**READY, "max_rows": None}, "'max_rows' of a wrong kind"),
        ("holder", {**READY, "do": "leave"}, "'do', which does not belong"),
        ("holder", {"event": "ready", "threads": 1}, "without 'version'"),
        ("holder", {"event": "catalog", "models": []}, "of a wrong kind"),
        ("holder", {"event": "catalog", "models": ["a", "a"]}, "of a wrong kind"),
        ("holder", {"event": "catalog", "models": [["a"]]}, "of a wrong kind"),
        ("holder", {"event": "form"}, "'form' with nothing"),
        ("worker", {"event": "ready", "models": [{"name": "a"}]}, "of a wrong kind"),
        ("compiler", {"event": "failed", "error": 3}, "of a wrong kind"),
        ("worker", {}, "None with nothing"),
    ],
)
def test_what_does_not_belong_to_an_event_is_refused_by_name(role: str, event: Message, why: str) -> None:
    with pytest.raises(BadLine) as refused:
        take_kind(role, {**event})
    assert why in str(refused.value)
