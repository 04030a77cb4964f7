"""What an ONNX graph knows of classes and categories."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelport.artifacts.loaders.onnx_wire import Graph, Node, open_graph

_CLASSES = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")
_CATEGORIES = ("cats_strings", "cats_int64s")
_SAME_VALUES = ("Cast", "Reshape", "Identity", "Flatten", "Squeeze", "Unsqueeze")
_SAME_COLUMN = (*_SAME_VALUES, "Gather", "ArrayFeatureExtractor")
"""Of an input of one column, these can pick only that one."""


@dataclass(frozen=True, slots=True)
class GraphFacts:
    """`classes` in the order of the probabilities, and by input its categories and whether others are refused."""

    classes: tuple[Any, ...] = ()
    categories: Mapping[str, tuple[tuple[Any, ...], bool]] = field(default_factory=dict)


def read_graph(path: Path, inputs: Collection[str], label: str) -> GraphFacts:
    """The facts about a graph with these inputs, whose labels are the output `label`; none where the file is no such graph."""
    try:
        with open_graph(path) as graph:
            classes = _class_attribute(graph.nodes) or _extracted_classes(graph, label)
            return GraphFacts(classes, _categories(graph.nodes, inputs))
    except ValueError:
        return GraphFacts()


# -- what the nodes say --------------------------------------------------------------------------------------------


def _class_attribute(nodes: list[Node]) -> tuple[Any, ...]:
    """The labels that the last classifier node holds itself."""
    found = [value for n in nodes for key in _CLASSES if (value := n.attribute(key))]
    return tuple(found[-1]) if found else ()


def _extracted_classes(graph: Graph, label: str) -> tuple[Any, ...]:
    """The labels of models without such a node: the table from which the winning position is picked."""
    makers = {output: node for node in graph.nodes for output in node.outputs}
    node = makers.get(label)
    while node is not None and node.op in _SAME_VALUES:
        node = makers.get(node.inputs[0])
    if node is None or node.op != "ArrayFeatureExtractor":
        return ()
    return graph.initializer(node.inputs[0])


def _categories(nodes: list[Node], inputs: Collection[str]) -> dict[str, tuple[tuple[Any, ...], bool]]:
    """The categories of the encoders that read an input of one column. `zeros` says that unseen ones become zeros."""
    sources = {name: name for name in inputs}
    found = {}
    for node in nodes:
        source = sources.get(node.inputs[0]) if node.inputs else None
        if source is None:
            continue
        if node.op in _SAME_COLUMN:
            sources |= dict.fromkeys(node.outputs, source)
        values = next((value for key in _CATEGORIES if (value := node.attribute(key))), None)
        if values and node.op == "OneHotEncoder":
            found[source] = (tuple(values), node.attribute("zeros") == 0)
    return found
