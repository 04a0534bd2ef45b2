from collections.abc import Callable, Collection
from typing import Any

from server.clients.client import Client
from server.dispatch.propagate import Propagation
from server.keyspace.database import Database
from server.registry.command import Command
from server.server import Server

class Executor:
    server: Server
    dirty: int
    commands: int
    ready_keys: Collection[Any]
    note_ready_key: Callable[[Database, bytes], None]
    serve_ready_keys: Callable[[], object]
    def __init__(self, server: Server, propagation: Propagation) -> None: ...
    def find(self, argv: list[bytes]) -> Command: ...
    def run(self, client: Client, command: Command, argv: list[bytes], count_errors: bool = True) -> Any: ...
