from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from server.clients.client import Client
from server.clients.client_table import ClientTable
from server.clients.seams import ClientLoop, CommandRunner, RunningCommand
from server.keyspace.database import Database
from server.observe.latency import LatencyMonitor
from server.observe.stats import Stats
from server.registry.command import Command
from server.registry.errors import CommandError
from server.registry.reply import NoReply

LIST: str
SORTED_SET: str
STREAM: str
FORCED: str

def seconds(text: bytes) -> int: ...
def milliseconds(text: bytes) -> int: ...

class BlockedCounts:
    blocked: int
    with_timeout: int
    on_no_key: int

class Blocked:
    client: Client
    command: Command
    db: Database
    keys: tuple[bytes, ...]
    deadline_us: int
    on_no_key: bool
    def time_out(self) -> None: ...
    def fail(self, error: CommandError) -> None: ...

class Blocking:
    clients: ClientTable
    loop: ClientLoop
    executor: CommandRunner
    stats: Stats
    latency: LatencyMonitor
    when_unwatched_by_fast_paths: Callable[[bool], object]
    ready: deque[tuple[Database, bytes]]
    def __init__(self, clients: ClientTable, loop: ClientLoop, executor: CommandRunner, stats: Stats,
                 latency: LatencyMonitor, in_unit: Callable[[], object]) -> None: ...
    def wait(self, call: RunningCommand, kind: str, keys: Sequence[bytes], timeout_ms: int, *, on_no_key: bool = False,
             argv: list[bytes] | None = None) -> NoReply: ...
    def enter(self, waiter: Any) -> None: ...
    def leave(self, blocked: Any) -> None: ...
    def forget(self, client: Client) -> None: ...
    def fail_all(self, error: CommandError) -> None: ...
    def hasten(self, by_us: int) -> None: ...
    def note(self, db: Database, key: bytes) -> None: ...
    def emptied(self, databases: list[Database]) -> None: ...
    def swapped(self, first: Database, second: Database) -> None: ...
    def serve(self) -> bool: ...
    def runs_again(self, client: Client) -> bool: ...
