"""Benchmarks: committed scripts that measure Modelport beside its peers and exit non-zero when a promise is missed."""
