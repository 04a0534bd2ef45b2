from typing import Any

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
STRANGER: int
IN_MULTI: int
SUBSCRIBED: int
REPLY_MODE: int
RESTRICTED: int
LINK: int
CLOSING: int
UNTOUCHING: int

class Client:
    db: Any
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
    user: str
    authenticated: bool
    command: Any
    transaction: Any
    watching: Any
    subscriptions: Any
    blocked: Any
    tracking: Any
    loop: Any
    extra: dict[str, Any]
    held: list[Any] | None
    query_bytes: int
    output_bytes: int
    output_memory: int
    def __init__(self, id: int, db: Any, loop: Any = None) -> None: ...
    def reply(self, value: Any) -> None: ...
    def push(self, value: Any) -> None: ...
    def push_encoded(self, wire: bytes) -> None: ...
    def hold_pushes(self) -> None: ...
    def release_pushes(self) -> None: ...
    def has_waiting_commands(self) -> bool: ...
    def rewind(self) -> None: ...
    def select(self, db: Any) -> None: ...
    def set(self, bits: int) -> None: ...
    def clear(self, bits: int) -> None: ...
    def has(self, bits: int) -> bool: ...
    def slow_because(self, bits: int, yes: bool = True) -> None: ...
    def close(self, after_reply: bool = False) -> None: ...
