"""The servers that are measured, each written the way its own tutorials or its experts write it."""
