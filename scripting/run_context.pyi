"""The Python-visible face of the script under way."""

from server.clients.client import Client
from server.server import Server

class Run:
    server: Server
    client: Client
    caller: Client
    name: bytes
    argv: list[bytes]
    eval: bool
    read_only: bool
    allow_oom: bool
    out_of_memory: bool
    wrote: bool
    killed: bool
    timed_out: bool
    def __init__(
        self, server: Server, client: Client, caller: Client, name: bytes, argv: list[bytes], eval: bool, read_only: bool,
        allow_oom: bool, out_of_memory: bool,
    ) -> None: ...
    def keep_to_slot(self, key: bytes | None) -> int: ...
    def see_own_time(self) -> None: ...
