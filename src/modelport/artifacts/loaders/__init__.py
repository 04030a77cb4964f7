"""One loader per family of artifacts. Each imports its library only when it loads."""
