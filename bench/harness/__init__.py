"""The parts every benchmark is made of: processes, load, memory, environments, statistics, gates and pages."""
