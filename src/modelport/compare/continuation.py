"""Going on with a run that was interrupted: what was measured to its end is kept, and the rest is measured in the same way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from modelport.compare.cases import PREDICT, WEIGHED
from modelport.compare.results import Results
from modelport.errors import SetupError


def continue_from(results: Results, earlier: Results) -> None:
    """Fill in what an interrupted run has measured. Raises SetupError where it is complete, or was another run."""
    if earlier.complete:
        raise SetupError(
            "--resume: the run in this folder is complete; measure anew without --resume, or into another --out"
        )
    for what, now, then in _conditions(results, earlier):
        if now != then:
            raise SetupError(
                f"--resume: {what} is another one than in the run that was interrupted ({_short(then)}, now {_short(now)}): "
                "rounds are compared with each other, so all must be measured alike. Measure anew without --resume"
            )
    for key in ("rates", "rough_capacities", "most_sent_per_s", "took_s"):
        if key in earlier.about:
            results.about[key] = earlier.about[key]
    results.about["date"], results.about["command"] = earlier.about["date"], earlier.about["command"]
    results.about["resumed"] = earlier.about.get("resumed", 0) + 1
    results.conduct = earlier.conduct
    results.done = earlier.done
    _keep_whole(results, earlier)


def _keep_whole(results: Results, earlier: Results) -> None:
    """Only the samples of starts that were measured to their end: the others are measured again."""
    apps = {case["name"]: case["app"] for case in earlier.cases}
    done = {(number, key) for number, key in earlier.done}

    def is_whole(contestant: str, number: int, app: str) -> bool:
        return (number, trial_key(contestant, app)) in done

    results.starts = [s for s in earlier.starts if is_whole(s.contestant, s.round, PREDICT)]
    results.weights = [w for w in earlier.weights if is_whole(w.contestant, w.round, WEIGHED)]
    results.measurements = [m for m in earlier.measurements if is_whole(m.contestant, m.round, apps[m.case])]
    results.observations = [o for o in earlier.observations if is_whole(o.contestant, o.round, apps[o.case])]


def trial_key(contestant: str, app: str) -> str:
    """How the start of a contestant for some of the cases is called."""
    return contestant if app == PREDICT else f"{contestant} ({app})"


def _conditions(results: Results, earlier: Results) -> Iterator[tuple[str, Any, Any]]:
    """What has to be the same, as JSON has it."""
    yield "the model", results.about["model"], earlier.about["model"]
    yield (
        "the line-up of contestants",
        [c["name"] for c in results.contestants],
        [c["name"] for c in earlier.contestants],
    )
    yield "the code of the contestants", _edited(results), _edited(earlier)
    yield "the choice of cases", _plain(results.cases), earlier.cases
    yield "the plan", _plain(results.about["plan"]), earlier.about["plan"]
    yield "the load generator", results.about["generator"], earlier.about["generator"]
    yield "Modelport", results.about["modelport"], earlier.about["modelport"]
    versions = (_plain(run.about["versions"]) for run in (results, earlier))
    yield "a package of the contestants", *versions
    for key in ("processor", "cores", "kernel", "python"):
        yield f"the machine ({key})", results.about["machine"].get(key), earlier.about["machine"].get(key)


def _edited(results: Results) -> list[Any]:
    """What was edited by hand; earlier runs do not tell it, and had nothing of the kind."""
    return [c.get("edited", {}) for c in results.contestants]


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:120]
