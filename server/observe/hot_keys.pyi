from typing import NamedTuple

class HotKey(NamedTuple):
    db: int
    key: bytes
    length: int
    least: float
    most: float

class HotKeys:
    capacity: int
    used: int
    total: float
    memory: int
    def __init__(self, capacity: int) -> None: ...
    def add(self, db: int, key: bytes, weight: float = 1) -> None: ...
    def age(self, factor: float) -> None: ...
    def top(self, count: int) -> list[HotKey]: ...
    def clear(self) -> None: ...
    def check(self) -> None: ...
