"""The Python-visible face of the script under way."""
from typing import Any

from server.clients.client import Client

class Run:
    server: Any
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
        self, server: Any, client: Client, caller: Client, name: bytes, argv: list[bytes], eval: bool, read_only: bool,
        allow_oom: bool, out_of_memory: bool,
    ) -> None: ...
    def see_own_time(self) -> None: ...
