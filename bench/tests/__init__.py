"""Tests of the benchmarks' arithmetic; what they measure is never a test."""
