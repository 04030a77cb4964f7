"""From outcomes to one answer, for every combination of what can become of a record."""

from __future__ import annotations

import json
from itertools import product

import pytest

from modelport.kernel.reply import STATUS_OF_CODE, Outcome, Reply, assemble
from modelport.kernel.values import Failure

ANSWER, NULL = b'{"y":1.0}', b'{"y":null}'
FAILED = Failure("model_failed", "It failed", "ValueError: secret")
NOT_RUN = [Failure(code, f"Because of {code}") for code in STATUS_OF_CODE]
OUTCOMES: list[Outcome] = [ANSWER, NULL, FAILED, *NOT_RUN]


def reply_to(outcomes: list[Outcome], batch: bool) -> Reply:
    return assemble(
        outcomes,
        batch,
        lambda failure: json.dumps({"error": failure.code}).encode(),
        lambda failure: json.dumps({"detail": failure.code}).encode(),
        lambda body: body.count(b"null"),
    )


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_single_record_is_answered_by_itself_or_by_its_error(outcome: Outcome) -> None:
    reply = reply_to([outcome], batch=False)
    if isinstance(outcome, Failure):
        assert reply.status == STATUS_OF_CODE.get(outcome.code, 500)
        assert json.loads(reply.body) == {"detail": outcome.code}
        assert reply.cause == (outcome.cause or outcome.message)
    else:
        assert reply == Reply(200, outcome, 0, outcome is NULL, "")


@pytest.mark.parametrize("outcomes", [list(p) for n in range(4) for p in product(OUTCOMES, repeat=n)])
def test_a_list_is_answered_element_by_element_unless_none_of_it_ran(outcomes: list[Outcome]) -> None:
    reply = reply_to(outcomes, batch=True)
    failures = [o for o in outcomes if isinstance(o, Failure)]
    if outcomes and all(o in NOT_RUN for o in outcomes):
        assert reply.status == STATUS_OF_CODE[failures[0].code]
        return
    expected = [{"error": o.code} if isinstance(o, Failure) else json.loads(o) for o in outcomes]
    assert (reply.status, json.loads(reply.body)) == (200, expected)
    assert (reply.failed, reply.non_finite) == (len(failures), outcomes.count(NULL))
    assert bool(reply.cause) == bool(failures)


@pytest.mark.parametrize("batch", [False, True])
def test_the_cause_is_for_the_log_and_never_in_the_body(batch: bool) -> None:
    assert b"secret" not in reply_to([FAILED], batch).body
    assert reply_to([FAILED], batch).cause == "ValueError: secret"


def test_a_refusal_that_the_model_has_chosen_has_its_status_and_is_no_fault_for_the_log() -> None:
    reply = reply_to([Failure("http_exception", "not for you", status=403)], batch=False)
    assert (reply.status, reply.cause) == (403, "")
    reply = reply_to([Failure("http_exception", "down", "boom", status=503)], batch=False)
    assert (reply.status, reply.cause) == (503, "boom")
