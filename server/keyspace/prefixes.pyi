"""The Python-visible face of sums by prefix."""
from server.keyspace.database import Database

def prefixes(
    db: Database, cursor: int, separator: bytes, depth: int, count: int, limit_us: int
) -> tuple[int, dict[bytes, list[int]]]: ...
