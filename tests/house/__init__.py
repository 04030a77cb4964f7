"""The house rules: what no single feature test would notice."""
