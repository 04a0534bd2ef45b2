# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""ACL LOG: what was refused, the newest first, and equal refusals within a minute as one entry."""
from libc.stdint cimport int64_t

from collections import deque

cdef enum:
    GROUPED_MS = 60000
    LOOKED_AT = 10                     # newest entries that a refusal may be equal to

TOPLEVEL, LUA, MULTI = "toplevel", "lua", "multi"
COMMAND, KEY, CHANNEL, AUTH = "command", "key", "channel", "auth"
REASONS = {AUTH: "auth", COMMAND: "cmd", KEY: "key", CHANNEL: "channel"}    # as INFO names them
cdef dict _COUNTERS = {reason: f"acl_access_denied_{name}" for reason, name in REASONS.items()}


cdef class Entry:
    """Refusals of one kind."""

    def __init__(self, str reason, str context, bytes what, bytes user):
        self.reason = reason
        self.context = context
        self.object = what
        self.user = user
        self.client = b""

    cdef bint equals(self, Entry other) noexcept:
        """Whether both are the same refusal, when it happened aside. What differs most often is asked first."""
        return (self.object == other.object and self.user == other.user and self.reason == other.reason
                and self.context == other.context)


cdef class AclLog:
    """The log. config: acllog-max-len; counters: refusals are counted as its `acl_access_denied_key` and the like."""

    def __init__(self, config, counters):
        self.entries = deque()
        self.config = config
        self.counters = counters

    cpdef int add(self, Entry new, bytes client, int64_t now_ms) except -1:
        """It was refused just now to this client. Complexity: O(1)."""
        cdef Entry entry = self.known(new, now_ms)
        cdef str counter = _COUNTERS[new.reason]
        setattr(self.counters, counter, getattr(self.counters, counter, 0) + 1)
        if entry is None:
            entry = new
            entry.id, entry.created_ms = self.next_id, now_ms
            self.next_id += 1
            self.entries.appendleft(entry)
        entry.count += 1
        entry.client, entry.updated_ms = client, now_ms
        while len(self.entries) > self.config.acllog_max_len:
            self.entries.pop()
        return 0

    cdef Entry known(self, Entry new, int64_t now_ms):
        """The entry that it belongs to, which becomes the newest."""
        cdef Entry entry
        cdef int at = 0
        for entry in self.entries:
            if at == LOOKED_AT:
                break
            if entry.equals(new) and -GROUPED_MS <= now_ms - entry.updated_ms <= GROUPED_MS:
                if at:
                    self.entries.remove(entry)
                    self.entries.appendleft(entry)
                return entry
            at += 1
        return None

    def reset(self) -> None:
        """ACL LOG RESET; numbers go on."""
        self.entries.clear()
