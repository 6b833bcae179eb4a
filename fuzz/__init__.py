"""Coverage-guided fuzzing: what may never happen, whatever the octets are. `python -m fuzz --help` runs it."""
