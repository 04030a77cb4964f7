"""Where a batch runs: on the worker's own loop, or in a thread of the model's own."""
