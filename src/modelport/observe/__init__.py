"""What is told about a running service, off the hot path."""
