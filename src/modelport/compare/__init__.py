"""Replays requests against two servers and compares their answers."""
