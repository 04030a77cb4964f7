"""Reading applications as text."""
