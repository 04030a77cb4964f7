"""A record that makes the model raise fails alone: the batch is split until the culprit is found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from modelport.errors import CallError, InvalidInput, ModelFailed, Problem
from modelport.kernel.values import Failure

Run = Callable[[Sequence[Any]], Sequence[bytes | Failure]]
AsyncRun = Callable[[Sequence[Any]], Awaitable[Sequence[bytes | Failure]]]


class Abandoned(Exception):
    """Raised by a run that was ended because nobody waits for it any more. There is nobody to blame: it is not split."""


def run_isolated(run: Run, records: Sequence[Any]) -> list[bytes | Failure]:
    """One outcome per record, in order, whatever `run` raises.

    A batch of n with k culprits costs at most about 2·k·log2(n) further runs.
    """
    try:
        answers = run(records)
    except BaseException as error:  # sys.exit() in a model, a panic of a Rust library, a KeyboardInterrupt of its own
        failure = failure_of(error)
        if len(records) == 1 or not _is_one_to_blame(error):
            return [failure] * len(records)
        middle = len(records) // 2
        return run_isolated(run, records[:middle]) + run_isolated(run, records[middle:])
    return checked(answers, records)


async def run_isolated_async(run: AsyncRun, records: Sequence[Any]) -> list[bytes | Failure]:
    """The same for a run that is awaited."""
    try:
        answers = await run(records)
    except BaseException as error:
        failure = failure_of(error)
        if len(records) == 1 or not _is_one_to_blame(error):
            return [failure] * len(records)
    else:
        return checked(answers, records)
    middle = len(records) // 2
    return await run_isolated_async(run, records[:middle]) + await run_isolated_async(run, records[middle:])


def checked(answers: Sequence[bytes | Failure], records: Sequence[Any]) -> list[bytes | Failure]:
    """The answers, where there is one for each record."""
    if len(answers) == len(records):
        return answers  # type: ignore[return-value]  # list is invariant
    message = f"The model gave {_counted(len(answers), 'answer')} for {_counted(len(records), 'record')}"
    return [Failure("wrong_count", message, message)] * len(
        records
    )  # whose answer each is, nobody knows: to try on is to guess


def failure_of(error: BaseException) -> Failure:
    """What the caller gets for what a model has raised. A failed call of another model names its branch."""
    if isinstance(error, Abandoned):
        return Failure("deadline_exceeded", "Nobody waits for this record any more")
    if (
        isinstance(error, InvalidInput) and not error.model
    ):  # of a record that could only be read to its end when it was run
        return Failure("invalid_input", str(error), "", error)
    called = call_error_in(error)
    if called is None:
        chosen = _chosen(error)
        if chosen is not None:
            return chosen
        return Failure("model_failed", "The model failed on this record", cause_of(error))
    loc = ("model", called.model) if called.model else ()
    problems = tuple(called.problems) or (Problem(loc, Exception.__str__(called), called.code),)
    code = "invalid_input" if isinstance(called, InvalidInput) else called.code
    return Failure(code, str(called), "" if code in NO_FAULT_OF_OURS else cause_of(called), problems=problems)


def _chosen(error: BaseException) -> Failure | None:
    """An HTTPException of FastAPI, Starlette or Werkzeug, told by its name: its status and its text are for the caller."""
    if not any(base.__name__ == "HTTPException" for base in type(error).__mro__):
        return None
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    if not isinstance(status, int) or not 400 <= status <= 599:
        return None
    text = getattr(error, "detail", None) or getattr(error, "description", None) or "The model refused this"
    return Failure("http_exception", str(text), cause_of(error) if status >= 500 else "", status=int(status))


NO_FAULT_OF_OURS = frozenset({"invalid_input", "overloaded", "not_ready", "deadline_exceeded"})
"""Codes that the log need not explain."""


def call_error_in(error: BaseException) -> CallError | None:
    """The failed call in it: itself, or the first of a task group's."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for each in error.exceptions if (found := call_error_in(each)) is not None), None)
    return error if isinstance(error, CallError) else None


def _is_one_to_blame(error: BaseException) -> bool:
    """Whether running the halves can tell who it was. What is overloaded or gone is so for all, and asked more often is worse."""
    called = call_error_in(error)
    return not isinstance(error, Abandoned) and (called is None or isinstance(called, (InvalidInput, ModelFailed)))


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
