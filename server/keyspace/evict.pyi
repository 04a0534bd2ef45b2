from collections.abc import Callable

from server.config.config import Config
from server.keyspace.database import Database, Keyspace

class Evictor:
    exceeded_since_us: int
    took: Callable[[str, int], object] | None
    def __init__(
        self, keyspace: Keyspace, config: Config, evicted: Callable[[Database, bytes], None], besides_keys: Callable[[], int]
    ) -> None: ...
    def over(self) -> int: ...
    def make_room(self) -> bool: ...
    def evict_one(self, policy: str) -> bool: ...
