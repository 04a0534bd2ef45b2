"""The Python-visible face of what all writers of a keyspace have."""

class KeyspaceWriter:
    keys: int
    def step(self, keys: int) -> bool: ...
