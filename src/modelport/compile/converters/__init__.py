"""How each kind of estimator is written in ONNX: one module for each family, and the table that they fill."""

from modelport.compile.converters import committees, compose, forests, linear, prepare
from modelport.compile.converters.registry import (
    CLASSIFIERS,
    REGRESSORS,
    TRANSFORMERS,
    classify,
    name_of,
    predict,
    transform,
)

FAMILIES = (committees, compose, forests, linear, prepare)

__all__ = ["CLASSIFIERS", "FAMILIES", "REGRESSORS", "TRANSFORMERS", "classify", "name_of", "predict", "transform"]
