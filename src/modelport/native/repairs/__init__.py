"""Repairs: what turns the state that an older release saved into one with which the installed release gives the same answers.

Each is a small function for a few classes and a range of versions. They work on what the allow-list reader has read, never on
what a file would do if it were run.
"""
