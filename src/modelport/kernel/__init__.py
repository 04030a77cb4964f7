"""Decisions as pure functions and small state machines: no asyncio, clock, I/O or logging."""
