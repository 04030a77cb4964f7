"""Old models in the versions that saved them: which libraries a file needs, environments that have them, the process inside."""
