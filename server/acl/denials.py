"""Refusals by user and reason, counted since the start or CONFIG RESETSTAT.

Names of users are the labels of a metric, so there are few of them, and none that a stranger has made up: who is no
user counts as NOBODY, and users beyond USERS_MAX count together as OTHERS. (Neither can be a user's name: both have
spaces.)
"""

from collections.abc import Iterator

from server.acl.log import REASONS
from server.acl.users import Users
from server.registry.info_sections import ACL

USERS_MAX = 64
NOBODY, OTHERS = b"no such user", b"all other users"
_UNSAFE = bytes.maketrans(b",=:", b"___")


class Denials:
    """The counts. users: who is known by name."""

    def __init__(self, users: Users) -> None:
        self._users = users
        self._counts: dict[bytes, dict[str, int]] = {}

    def add(self, name: bytes, reason: str) -> None:
        """It was refused to that user, or to who wanted to be it. reason: one of REASONS. Complexity: O(1)."""
        if self._users.get(name) is None:
            name = NOBODY
        elif name not in self._counts and len(self._counts) >= USERS_MAX:
            name = OTHERS
        counts = self._counts.get(name)
        if counts is None:
            counts = self._counts[name] = _zeros()
        counts[REASONS[reason]] += 1

    def __iter__(self) -> Iterator[tuple[bytes, dict[str, int]]]:
        """(name, counts by `auth`, `cmd`, `key`, `channel`) of each who was refused something, as copies."""
        return iter([(name, dict(counts)) for name, counts in self._counts.items()])

    def shown(self) -> Iterator[tuple[bytes, dict[str, int]]]:
        """The same with zeros for who was refused nothing, as far as there is room: a counter that is first seen
        at 1 has no rate."""
        everybody = dict(self)
        for name in (NOBODY, OTHERS, *(user.name for user in self._users)):
            if len(everybody) < USERS_MAX + 2:
                everybody.setdefault(name, _zeros())
        return iter(everybody.items())

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT."""
        self._counts.clear()


def _zeros() -> dict[str, int]:
    return dict.fromkeys(REASONS.values(), 0)


# ---- INFO
ACL.of(Users).field("acl_users", len)


@ACL.of(Denials).family
def denials(of: Denials) -> Iterator[tuple[str, str]]:
    """acl_denied0:user=app,auth=0,cmd=2,key=1,channel=0. What may not stand in such a line of a name is _."""
    for number, (name, counts) in enumerate(of):
        shown = name.translate(_UNSAFE).decode("utf-8", "backslashreplace")
        yield f"acl_denied{number}", f"user={shown}," + ",".join(f"{reason}={n}" for reason, n in counts.items())
