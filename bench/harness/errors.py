"""The one exception of a benchmark that cannot give a result: the run cannot go on or would measure something wrong."""

from modelport.errors import SetupError as BenchError  # what is shared with `modelport compare` raises it, too

__all__ = ["BenchError"]
