from typing import NamedTuple

from server.keyspace.database import Keyspace

class BigKey(NamedTuple):
    type: str
    db: int
    key: bytes
    weight: int
    elements: int

class BigKeys:
    passes: int
    keys: int
    spent_us: int
    def __init__(self, keyspace: Keyspace) -> None: ...
    def run(self, limit_us: int) -> bool: ...
    def clear(self) -> None: ...
    def biggest(self, count: int) -> list[BigKey]: ...
    def lengths(self) -> dict[tuple[int, str], list[tuple[int, int]]]: ...
