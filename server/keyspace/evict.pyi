from collections.abc import Callable

from server.config.config import Config
from server.keyspace.database import Database, Keyspace

class Evictor:
    lazy: bool
    exceeded_since_us: int
    exceeded_us: int
    evicted_keys: int
    total_exceeded_ms: int
    current_exceeded_ms: int
    took: Callable[[str, int], object] | None
    def __init__(
        self, keyspace: Keyspace, config: Config, evicted: Callable[[Database, bytes], None], besides_keys: Callable[[], int]
    ) -> None: ...
    def follow(self, config: Config) -> None: ...
    def over(self) -> int: ...
    def make_room(self) -> bool: ...
    def look(self) -> None: ...
    def reset_statistics(self) -> None: ...
