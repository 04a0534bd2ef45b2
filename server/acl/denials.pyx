# cython: language_level=3
"""Refusals by user and reason, counted since the start or CONFIG RESETSTAT.

Names of users are the labels of a metric, so there are few of them, and none that a stranger has made up: who is no
user counts as NOBODY, and users beyond USERS_MAX count together as OTHERS. (Neither can be a user's name: both have
spaces.)
"""

from server.acl.log import REASONS
from server.acl.users import Users
from server.registry.info_sections import ACL

USERS_MAX = 64
NOBODY, OTHERS = b"no such user", b"all other users"
_UNSAFE = bytes.maketrans(b",=:", b"___")


cdef class Denials:
    """The counts. users: who is known by name."""

    def __init__(self, users):
        self.users = users
        self.counts = {}

    cpdef int add(self, bytes name, str reason) except -1:
        """It was refused to that user, or to who wanted to be it. reason: one of REASONS. Complexity: O(1)."""
        cdef dict counts
        if self.users.get(name) is None:
            name = NOBODY
        elif name not in self.counts and len(self.counts) >= USERS_MAX:
            name = OTHERS
        counts = self.counts.get(name)
        if counts is None:
            counts = self.counts[name] = _zeros()
        counts[REASONS[reason]] += 1
        return 0

    def __iter__(self):
        """(name, counts by `auth`, `cmd`, `key`, `channel`) of each who was refused something, as copies."""
        return iter([(name, dict(counts)) for name, counts in self.counts.items()])

    def shown(self):
        """The same with zeros for who was refused nothing, as far as there is room: a counter that is first seen
        at 1 has no rate."""
        everybody = dict(self)
        for name in (NOBODY, OTHERS, *(user.name for user in self.users)):
            if len(everybody) < USERS_MAX + 2:
                everybody.setdefault(name, _zeros())
        return iter(everybody.items())

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT."""
        self.counts.clear()


cdef dict _zeros():
    return dict.fromkeys(REASONS.values(), 0)


# ---- INFO
ACL.of(Users).field("acl_users", len)


@ACL.of(Denials).family
def denials(Denials of):
    """acl_denied0:user=app,auth=0,cmd=2,key=1,channel=0. What may not stand in such a line of a name is _."""
    for number, (name, counts) in enumerate(of):
        shown = name.translate(_UNSAFE).decode("utf-8", "backslashreplace")
        yield f"acl_denied{number}", f"user={shown}," + ",".join(f"{reason}={n}" for reason, n in counts.items())
