"""What was measured, every sample of it: `results.json`, from which alone the report is made."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from modelport.compare.histogram import Histogram
from modelport.errors import SetupError

SCHEMA = 2
GRACE_S = 2.0
"""How long after the end of an open loop answers are still waited for."""


@dataclass(frozen=True)
class Start:
    """One start of one contestant."""

    contestant: str
    round: int
    first_answer_s: float
    pss_idle_bytes: int


@dataclass(frozen=True)
class Measurement:
    """One load on one contestant. `rate` is None in a closed loop; `lag_s` is how late the generator itself was.

    `pace_per_s` is what a closed loop came to when it had found its pace, where that is known.
    """

    contestant: str
    case: str
    round: int
    connections: int
    rate: float | None
    seconds: float
    answers: int
    refused: dict[str, int]
    failures: int
    unanswered: int
    cpu_s: float
    pss_bytes: int
    generator: str
    lag_s: float | None = None
    generator_busy: float | None = None
    latencies: list[list[int]] = field(default_factory=list)
    pace_per_s: float | None = None

    @property
    def per_s(self) -> float:
        """Right answers in a second; of none, half a one: it has to be told, and a logarithm of nothing cannot be."""
        found = self.answers / self.seconds if self.pace_per_s is None else self.pace_per_s
        return max(found, 0.5 / self.seconds)

    @property
    def errors(self) -> int:
        """Requests without a right answer."""
        return sum(self.refused.values()) + self.failures + self.unanswered

    @property
    def histogram(self) -> Histogram:
        """The latencies of right answers; a request without one counts as longer than the load, so that refusing is not quick."""
        found = Histogram(self.latencies)
        for _ in range(self.errors):
            found.add(self.seconds + GRACE_S)
        return found


@dataclass(frozen=True)
class Observation:
    """What one contestant did in a case that has figures of its own: `values` by the key of the figure, and latencies by
    who was asked when."""

    contestant: str
    case: str
    round: int
    values: dict[str, float]
    latencies: dict[str, list[list[int]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Weight:
    """Memory of all processes of a contestant at one level: `count` workers, connections or requests were asked for, and
    `held` of them were really there."""

    contestant: str
    round: int
    what: str
    count: int
    held: int
    pss_bytes: int


Sample = Start | Measurement | Observation | Weight


@dataclass
class Results:
    """A run: who, on what, how, and each sample. `complete` is false where it was interrupted."""

    about: dict[str, Any]
    contestants: list[dict[str, Any]]
    cases: list[dict[str, Any]]
    starts: list[Start] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    weights: list[Weight] = field(default_factory=list)
    done: list[list[Any]] = field(default_factory=list)
    """Which starts were measured to their end: round, and contestant with its application."""
    failed: dict[str, str] = field(default_factory=dict)
    conduct: dict[str, dict[str, int]] = field(default_factory=dict)
    """Status by contestant and by what is wrong with a body; 0 where nothing came."""
    complete: bool = False

    def keep(self, sample: Sample) -> None:
        """Add a sample to those of its kind."""
        match sample:
            case Start():
                self.starts.append(sample)
            case Measurement():
                self.measurements.append(sample)
            case Observation():
                self.observations.append(sample)
            case Weight():
                self.weights.append(sample)

    def observed(self, contestant: str, case: str) -> list[Observation]:
        """The observations of one contestant in one case, by round."""
        return [o for o in self.observations if o.contestant == contestant and o.case == case]

    def title(self, contestant: str) -> str:
        """How a contestant is called in a sentence: of two that are called alike, with how many requests it works on at once."""
        found = next((c for c in self.contestants if c["name"] == contestant), None)
        if found is None:
            return contestant
        alike = [str(c["slots"]).partition(":")[0] for c in self.contestants if c["title"] == found["title"]]
        if len(alike) == 1:
            return str(found["title"])
        differ = len(set(alike)) == len(alike)
        how = f"{str(found['slots']).partition(':')[0]} at once" if differ else str(found["setup"])
        return f"{found['title']} ({how})"

    def is_ours(self, contestant: str) -> bool:
        """Whether it is Modelport in some form."""
        return any(c["name"] == contestant and c["ours"] for c in self.contestants)

    def of(self, contestant: str, case: str, *, open_loop: bool) -> list[Measurement]:
        """The samples of one contestant in one case, by round."""
        return [
            m
            for m in self.measurements
            if m.contestant == contestant and m.case == case and (m.rate is not None) == open_loop
        ]

    def write(self, path: Path) -> None:
        """As JSON, a sample on each line; a reader sees the old file or the new one, never half of one."""
        content = {"schema": SCHEMA, **asdict(self)}
        parts = (f"{json.dumps(key)}: {_json(value)}" for key, value in content.items())
        waiting = path.with_suffix(".json.new")
        waiting.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
        waiting.replace(path)


def _json(value: Any) -> str:
    if not isinstance(value, list):
        return json.dumps(value, ensure_ascii=False, indent=1)
    lines = (json.dumps(item, ensure_ascii=False, separators=(",", ":")) for item in value)
    return "[\n" + ",\n".join(lines) + "\n]" if value else "[]"


def read_results(path: Path) -> Results:
    """An earlier run. Raises SetupError for what is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise SetupError(
            f"{path} is no JSON; give the results.json that an earlier  modelport compare  wrote"
        ) from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        found = content.get("schema") if isinstance(content, dict) else None
        raise SetupError(
            f"{path} is of schema {found}, this version reads schema {SCHEMA}: run modelport compare again"
        )
    try:
        return Results(
            about=content["about"],
            contestants=content["contestants"],
            cases=content["cases"],
            starts=[Start(**start) for start in content["starts"]],
            measurements=[Measurement(**measurement) for measurement in content["measurements"]],
            observations=[Observation(**found) for found in content["observations"]],
            weights=[Weight(**weight) for weight in content["weights"]],
            done=content["done"],
            failed=content["failed"],
            conduct=content["conduct"],
            complete=content["complete"],
        )
    except (KeyError, TypeError) as error:
        raise SetupError(f"{path} is no results.json of modelport compare: {error} is missing or unknown") from None
