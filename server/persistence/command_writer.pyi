"""The Python-visible face of writing data as commands."""
from collections.abc import Callable, Iterable

from server.keyspace.database import Keyspace
from server.persistence.keyspace_writer import KeyspaceWriter

class CommandWriter(KeyspaceWriter):
    def __init__(self, keyspace: Keyspace, write: Callable[[bytes], None], delay_us: int = 0) -> None: ...
    def begin(self, libraries: Iterable[bytes] = ()) -> None: ...
    def finish(self) -> None: ...
