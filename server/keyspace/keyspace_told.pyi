from server.keyspace.database import Keyspace

class DatabaseLines:
    """INFO keyspace. What was told is kept: as long as nothing of it changes, the answer is the same object."""

    def __init__(self, keyspace: Keyspace) -> None: ...
    def now(self) -> tuple[tuple[str, str], ...]: ...
