"""The Python-visible face of writing RDB files."""
from collections.abc import Iterable

from server.keyspace.database import Keyspace
from server.persistence.keyspace_writer import KeyspaceWriter

class RdbWriter(KeyspaceWriter):
    def __init__(
        self, keyspace: Keyspace, fd: int, version: int, *, compress: bool, checksum: bool, sync: bool, access: str = "",
        delay_us: int = 0,
    ) -> None: ...
    @property
    def written(self) -> int: ...
    def begin(self, fields: Iterable[tuple[bytes, bytes]], libraries: Iterable[bytes] = ()) -> None: ...
    def finish(self) -> None: ...
