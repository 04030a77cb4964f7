"""A compiled model: what it is saved as, and how it is run. Needs NumPy and ONNX Runtime, and no training library."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from modelport.compilation.cache import FACTS, FORMAT, MODEL, runtime_version
from modelport.compilation.feed import REFUSED, Feed, answers
from modelport.compilation.parity import Report
from modelport.errors import ArtifactError, MissingExtra
from modelport.kernel.ports import Cost
from modelport.kernel.signature import Kind, Signature
from modelport.kernel.values import Record
from modelport.kernel.walk import build_tree, walk_tree

MOST_CELLS = 2_000_000
"""Of a matrix with the counts of terms, 16 MB: more records than that are answered in turn."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """A single decision tree, by node, the root first; a leaf's `left` is negative."""

    features: tuple[int, ...]
    thresholds: tuple[float, ...]
    lefts: tuple[int, ...]
    rights: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What lies beside the graph. `runtime` is the version of ONNX Runtime with which it was checked.

    `tree`: the model is this tree alone, so that it can be walked instead of run.
    """

    format: int
    signature: Signature
    feed: Feed
    outputs: tuple[str, ...]
    report: Report
    float_labels: bool = False
    runtime: str = ""
    tree: Nodes | None = None


class CompiledModel:
    """Takes the records that the original takes and gives the answers that it gives."""

    def __init__(self, graph: bytes, facts: Facts) -> None:
        self._graph, self._facts = graph, facts
        self._session = _open_session(graph)
        self._feed, self._outputs = facts.feed.reader(), list(facts.outputs)
        self._most = max(1, MOST_CELLS // max(1, facts.feed.cells)) if facts.feed.texts else sys.maxsize
        self.signature = facts.signature
        self.report = facts.report
        self.cost = Cost(len(graph), compiled=True, releases_gil=True, reads_text=bool(facts.feed.texts))
        self._walk = self._walked(facts.tree)

    def predict(self, records: Sequence[Record]) -> list[Any]:
        """Answer every record, in order. Raises ValueError where the original raises on one of them."""
        return self._ask(records) if self._walk is None else self._walk(records)

    def _ask(self, records: Sequence[Record]) -> list[Any]:
        if len(records) > self._most:
            return [a for i in range(0, len(records), self._most) for a in self._ask(records[i : i + self._most])]
        return answers(self.signature, self._run(self._feed(records)), self._facts.float_labels)

    def _walked(self, nodes: Nodes | None) -> Callable[[Sequence[Record]], list[Any]] | None:
        """Walking a tree costs a tenth of a call of the runtime."""
        if nodes is None or any(f.kind is not Kind.FLOAT or f.nullable for f in self.signature.inputs):
            return None
        tree = build_tree(nodes.features, nodes.thresholds, nodes.lefts, nodes.rights)
        return None if tree is None else walk_tree(tree, len(self.signature.inputs), self._ask)

    def _run(self, matrix: np.ndarray[Any, Any]) -> dict[str, Any]:
        given = dict(zip(self._outputs, self._session.run(self._outputs, {"records": matrix}), strict=True))
        if REFUSED in given and given.pop(REFUSED).any():
            raise ValueError("a step of the model makes numbers of this record that are too large")
        return given

    def with_report(self, report: Report) -> CompiledModel:
        """The same model, once it is known how it compares."""
        return CompiledModel(self._graph, replace(self._facts, report=report))

    def without_report(self) -> CompiledModel:
        """The same model without what differs from run to run: how many rows there was time for, and how long they took."""
        return self.with_report(Report())

    def save(self, folder: Path) -> None:
        """Write `model.onnx` and `compiled.json`; the second last, so that a folder that has it is whole."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MODEL).write_bytes(self._graph)
        facts = replace(self._facts, runtime=runtime_version())
        (folder / FACTS).write_bytes(msgspec.json.encode(facts))


def open_compiled(folder: Path) -> CompiledModel:
    """Read what `save` wrote. Raises ArtifactError where the folder is damaged, or was written by another version of Modelport's
    format or checked with another ONNX Runtime: then it is to be compiled again."""
    try:
        text, graph = (folder / FACTS).read_bytes(), (folder / MODEL).read_bytes()
        facts = msgspec.json.decode(text, type=Facts)
    except (OSError, msgspec.DecodeError) as error:
        raise ArtifactError(f"{folder} holds no compiled model: {error}; compile it again") from None
    if facts.format != FORMAT:
        raise ArtifactError(f"{folder} is of format {facts.format}, this version reads {FORMAT}; compile it again")
    if facts.runtime != runtime_version():
        raise ArtifactError(
            f"{folder} was checked with ONNX Runtime {facts.runtime}, {runtime_version()} is installed, whose answers may differ; "
            "compile it again"
        )
    try:
        return CompiledModel(graph, facts)
    except MissingExtra:
        raise
    except Exception as error:  # of the runtime, which has a class of its own for each fault
        reason = str(error).strip().partition("\n")[0][:200]
        raise ArtifactError(f"{folder / MODEL} is damaged: {reason}; compile it again") from None


def _open_session(graph: bytes) -> Any:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when it is imported
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise MissingExtra("a compiled model", "onnx") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # requests are the parallelism
    options.log_severity_level = 4  # what goes wrong in a call is raised, too
    # beyond basic, scales are fused into float64 products as float32, which moves probabilities by 1e-8
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
