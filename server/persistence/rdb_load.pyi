"""The Python-visible face of reading RDB files."""
from collections.abc import Callable

from server.keyspace.database import Database, Keyspace
from server.persistence.rdb_peek import RdbData

class BadFile(ValueError):
    """The file cannot be loaded; the text says why."""

class RdbReader:
    version: int
    keys_loaded: int
    keys_expired: int
    keys_empty: int
    keys_with_expire: int
    item_type: int
    doing: str
    last_key: bytes
    delay_us: int
    def __init__(
        self, keyspace: Keyspace, data: RdbData | None, start: int = 0, *, on_field: Callable[[bytes, bytes], None],
        on_library: Callable[[bytes], None], checksum: bool = True, drop_expired: bool = True, replace: bool = False,
        delay_us: int = 0, on_database: Callable[[int], None] | None = None, trusted: bool = True,
        on_warning: Callable[[str], None] | None = None,
        on_expired: Callable[[Database, bytes], object] | None = None, total: int = 0,
    ) -> None: ...
    @property
    def position(self) -> int: ...
    @property
    def item_position(self) -> int: ...
    @property
    def starved(self) -> bool: ...
    def feed(self, data: bytes) -> None: ...
    def end(self) -> None: ...
    def begin(self) -> None: ...
    def step(self, size: int) -> bool: ...
    def close(self) -> None: ...
