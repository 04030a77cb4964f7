"""How each kind of estimator is written in ONNX: one module for each family, and the table that they fill."""

from modelport.compile.converters import bayes, committees, compose, forests, kernels, linear, neighbors, prepare, project
from modelport.compile.converters.registry import (
    CLASSIFIERS,
    REGRESSORS,
    TRANSFORMERS,
    classify,
    name_of,
    predict,
    transform,
)

FAMILIES = (bayes, committees, compose, forests, kernels, linear, neighbors, prepare, project)

__all__ = ["CLASSIFIERS", "FAMILIES", "REGRESSORS", "TRANSFORMERS", "classify", "name_of", "predict", "transform"]
