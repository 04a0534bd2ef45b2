"""ACL LOG: what was refused, the newest first, and equal refusals within a minute as one entry."""

from collections import deque
from collections.abc import Callable

GROUPED_MS = 60000
LOOKED_AT = 10          # newest entries that a refusal may be equal to
TOPLEVEL, LUA, MULTI = "toplevel", "lua", "multi"
COMMAND, KEY, CHANNEL, AUTH = "command", "key", "channel", "auth"
REASONS = {AUTH: "auth", COMMAND: "cmd", KEY: "key", CHANNEL: "channel"}    # as INFO names them
_COUNTERS = {reason: f"acl_access_denied_{name}" for reason, name in REASONS.items()}


class Entry:
    """Refusals of one kind."""

    __slots__ = ("client", "context", "count", "created_ms", "id", "object", "reason", "updated_ms", "user")

    def __init__(self, reason: str, context: str, what: bytes, user: bytes) -> None:
        self.reason = reason
        self.context = context
        self.object = what              # name of the command, key or channel; of AUTH the word itself
        self.user = user
        self.count = 0
        self.id = 0
        self.client = b""               # its line of CLIENT LIST at the last time
        self.created_ms = self.updated_ms = 0           # Unix

    def equals(self, other: "Entry") -> bool:
        """Whether both are the same refusal, when it happened aside. What differs most often is asked first."""
        return (self.object == other.object and self.user == other.user and self.reason == other.reason
                and self.context == other.context)


class AclLog:
    """The log, and who counts refusals: counted("acl_access_denied_key")."""

    def __init__(self, max_len: Callable[[], int], counted: Callable[[str], object]) -> None:
        """max_len: acllog-max-len."""
        self.entries: deque[Entry] = deque()
        self._max_len = max_len
        self._counted = counted
        self._next_id = 0

    def add(self, new: Entry, client: bytes, now_ms: int) -> None:
        """It was refused just now to this client. Complexity: O(1)."""
        self._counted(_COUNTERS[new.reason])
        entry = self._known(new, now_ms)
        if entry is None:
            entry = new
            entry.id, entry.created_ms = self._next_id, now_ms
            self._next_id += 1
            self.entries.appendleft(entry)
        entry.count += 1
        entry.client, entry.updated_ms = client, now_ms
        while len(self.entries) > self._max_len():
            self.entries.pop()

    def _known(self, new: Entry, now_ms: int) -> Entry | None:
        """The entry that it belongs to, which becomes the newest."""
        what = new.object
        for at, entry in enumerate(self.entries):
            if at == LOOKED_AT:
                break
            if entry.object == what and entry.equals(new) and abs(now_ms - entry.updated_ms) <= GROUPED_MS:
                if at:
                    self.entries.remove(entry)
                    self.entries.appendleft(entry)
                return entry
        return None

    def reset(self) -> None:
        """ACL LOG RESET; numbers go on."""
        self.entries.clear()
