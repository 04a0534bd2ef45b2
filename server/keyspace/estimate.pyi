from server.keyspace.database import Database

def weight(db: Database, key: bytes) -> int | None:
    """Bytes that a key and its value cost: exact while it is small, from a sample of its elements beyond that."""
