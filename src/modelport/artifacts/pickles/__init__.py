"""Pickles and joblib files, read without running code: what is not on the allow-list is refused before it is imported."""
