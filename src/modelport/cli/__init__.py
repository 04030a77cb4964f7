"""The command line: imported by the parent process alone, never by a worker."""
