"""Models of old releases: made where they were at home, answered there, and held against what they answer here."""
