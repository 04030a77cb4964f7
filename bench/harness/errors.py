"""The one exception of a benchmark that cannot give a result."""


class BenchError(Exception):
    """The run cannot go on or would measure something wrong; the message says what to do about it."""
