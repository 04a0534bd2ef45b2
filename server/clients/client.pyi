from collections.abc import Callable
from typing import Any

from server.acl.permissions import Permissions
from server.acl.user import User
from server.clients.blocking import Blocked
from server.clients.multi import Watch
from server.clients.pubsub import Subscriptions
from server.clients.seams import ClientLoop
from server.clients.tracking import Tracker
from server.clients.transaction import Transaction
from server.keyspace.database import Database
from server.registry.command import Command

MULTI: int
DIRTY_CAS: int
DIRTY_EXEC: int
BLOCKED: int
MONITOR: int
REPLICA: int
MASTER: int
CLOSE_AFTER_REPLY: int
CLOSE_ASAP: int
UNIX_SOCKET: int
NO_EVICT: int
NO_TOUCH: int
REPLY_OFF: int
REPLY_SKIP_NEXT: int
REPLY_SKIP: int
TRACKING: int
DENY_BLOCKING: int
READONLY: int
PAUSED: int
SCRIPT: int
FAKE: int
IMPORTS: int
KEPT: int
STRANGER: int
IN_MULTI: int
SUBSCRIBED: int
REPLY_MODE: int
RESTRICTED: int
LINK: int
CLOSING: int
ASKING: int
UNTOUCHING: int

def when_replica_replies(hook: Callable[[Client, Any], object] | None) -> None: ...

class Client:
    db: Database
    id: int
    resp: int
    slow: int
    state: int
    in_flight: int
    query_memory: int
    query_used: int
    created_us: int
    active_us: int
    soft_limit_us: int
    written: int
    bytes_in: int
    bytes_out: int
    commands: int
    fd: int
    address: str
    local_address: str
    name: bytes
    library_name: bytes
    library_version: bytes
    user: User | None
    permissions: Permissions | None
    authenticated: bool
    command: Command | None
    transaction: Transaction | None
    watching: list[Watch] | None
    subscriptions: Subscriptions | None
    blocked: Blocked | None
    tracking: Tracker | None
    loop: ClientLoop | None
    replica: Any
    accounted: int
    held: list[Any] | None
    query_bytes: int
    output_bytes: int
    output_memory: int
    def __init__(self, id: int, db: Database, loop: ClientLoop | None = None) -> None: ...
    def comes_from(self, fd: int) -> None: ...
    def is_local(self) -> bool: ...
    def become(self, user: User | None, authenticated: bool, stranger: bool) -> None: ...
    def is_bare(self) -> bool: ...
    def reply(self, value: object) -> None: ...
    def waited(self) -> None: ...
    def push(self, value: object) -> None: ...
    def push_encoded(self, wire: bytes) -> None: ...
    def hold_pushes(self) -> None: ...
    def release_pushes(self) -> None: ...
    @property
    def obeyed(self) -> bool: ...
    def rewind(self) -> None: ...
    def select(self, db: Database) -> None: ...
    def set(self, bits: int) -> None: ...
    def clear(self, bits: int) -> None: ...
    def has(self, bits: int) -> bool: ...
    def slow_because(self, bits: int, yes: bool = True) -> None: ...
    def close(self, after_reply: bool = False) -> None: ...
