from collections import deque

from server.config.config import Config

TOPLEVEL: str
LUA: str
MULTI: str
COMMAND: str
KEY: str
CHANNEL: str
AUTH: str
REASONS: dict[str, str]

class Entry:
    reason: str
    context: str
    object: bytes
    user: bytes
    client: bytes
    count: int
    id: int
    created_ms: int
    updated_ms: int
    def __init__(self, reason: str, context: str, what: bytes, user: bytes) -> None: ...

class AclLog:
    entries: deque[Entry]
    def __init__(self, config: Config, counters: object) -> None: ...
    def add(self, new: Entry, client: bytes, now_ms: int) -> int: ...
    def reset(self) -> None: ...
