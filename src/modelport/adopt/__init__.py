"""Reads a Flask or FastAPI application that serves a model, without running it, and writes the service that takes its place."""
