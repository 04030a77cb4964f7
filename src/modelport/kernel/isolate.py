"""A record that makes the model raise fails alone: the batch is split until the culprit is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from modelport.errors import InvalidInput
from modelport.kernel.values import Failure

Run = Callable[[Sequence[Any]], Sequence[bytes | Failure]]


class Abandoned(Exception):
    """Raised by a run that was ended because nobody waits for it any more. There is nobody to blame: it is not split."""


def run_isolated(run: Run, records: Sequence[Any]) -> list[bytes | Failure]:
    """One outcome per record, in order, whatever `run` raises.

    A batch of n with k culprits costs at most about 2·k·log2(n) further runs.
    """
    try:
        answers = run(records)
    except Abandoned:
        return [Failure("deadline_exceeded", "Nobody waits for this record any more")] * len(records)
    except InvalidInput as error:  # of a record that could only be read to its end when it was run
        return _halve(run, records, Failure("invalid_input", str(error), "", error))
    except BaseException as error:  # sys.exit() in a model, a panic of a Rust library, a KeyboardInterrupt of its own
        return _halve(run, records, Failure("model_failed", "The model failed on this record", cause_of(error)))
    if len(answers) == len(records):
        return answers  # type: ignore[return-value]  # list is invariant
    message = f"The model gave {_counted(len(answers), 'answer')} for {_counted(len(records), 'record')}"
    return [Failure("wrong_count", message, message)] * len(
        records
    )  # whose answer each is, nobody knows: to try on is to guess


def _halve(run: Run, records: Sequence[Any], failure: Failure) -> list[bytes | Failure]:
    """Run the halves, to find who is to blame; one record alone is."""
    if len(records) == 1:
        return [failure]
    middle = len(records) // 2
    return run_isolated(run, records[:middle]) + run_isolated(run, records[middle:])


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def cause_of(error: BaseException) -> str:
    """What the log says of an exception: its type, its message, and the line it came from."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    where = f" ({last.tb_frame.f_code.co_filename}:{last.tb_lineno})" if last else ""
    return f"{type(error).__name__}: {_text_of(error)[:500]}{where}"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # an exception whose own __str__ raises must not take the batch down with it
        return "(its message cannot be read)"
