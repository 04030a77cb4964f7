"""From the outcomes of a call of a model in Python to its answer, in whichever process it ran."""

from __future__ import annotations

from functools import partial

from modelport.codecs.json import Encoded, encode_failure
from modelport.codecs.outcomes import assemble_media
from modelport.fronts.status import failure_body
from modelport.kernel.ports import Outcome
from modelport.kernel.reply import Reply, assemble


def assemble_reply(model: str, outcomes: list[Outcome], listed: bool) -> Reply:
    """One answer from the outcomes of a call, in the shapes of the REST front."""
    if len(outcomes) == 1 and type(outcomes[0]) is bytes and not listed:  # almost every answer
        return Reply(200, outcomes[0])
    if any(type(outcome) is not bytes for outcome in outcomes):
        reply = assemble_media(outcomes, listed, partial(failure_body, model))
        if reply is not None:
            return reply
    # Whoever wrote an answer has marked it where a number of it was none: a megabyte is not searched again.
    non_finite = sum(outcome.non_finite for outcome in outcomes if isinstance(outcome, Encoded))
    return assemble(outcomes, listed, encode_failure, partial(failure_body, model), lambda _: non_finite)
