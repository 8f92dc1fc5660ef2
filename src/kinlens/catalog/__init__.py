"""Where items, their vectors and their metadata live: one protocol, one file an engine."""
