"""The same commands to ours and to a real server; the replies must be equal, in type and in text.

    def test_append(both):                          # fixture of tests/conftest.py; skips without redis-server
        both("APPEND", "k", "x")                    # asserts that the replies are equal, returns ours
        both("SMEMBERS", "s", unordered=True)       # order does not count (at any depth)
        both("TTL", "k", within=1)                  # integers and doubles may differ by 1
        both("CONFIG", "GET", "x", code_only=True)  # of errors only the first word must agree
        both("OBJECT", "ENCODING", "k", peer_says=b"embstr")    # where 7.0 and 7.2 differ: what theirs answers
        both.resp3()                                # HELLO 3 on both; both.resp2() goes back
        both.same_keyspace()                        # keys, types, values (DEBUG-free), TTLs within a second
"""

from typing import Any

from tests.support.resp import Connection, Pairs, Push, RespError, RespSet

_UNSET = object()


def unordered_form(value: Any) -> Any:
    """A form of the reply that is equal whatever the order of its elements."""
    if isinstance(value, dict):
        value = Pairs(value.items())
    if isinstance(value, list | tuple):
        kind = type(value).__name__
        return (kind, sorted(map(unordered_form, value), key=repr))
    return (type(value).__name__, value)


def same(ours: Any, theirs: Any, within: float = 0.0, code_only: bool = False) -> bool:
    """Equal in type and value; RESP3 kinds count."""
    if isinstance(ours, RespError) and isinstance(theirs, RespError):
        return ours.code == theirs.code if code_only else ours == theirs
    if type(ours) is not type(theirs):
        return False
    if isinstance(ours, dict):
        return list(ours) == list(theirs) and all(same(ours[k], theirs[k], within, code_only) for k in ours)
    if isinstance(ours, list | tuple | Push | RespSet):
        return len(ours) == len(theirs) and all(
            same(a, b, within, code_only) for a, b in zip(ours, theirs, strict=True)
        )
    if isinstance(ours, int | float) and not isinstance(ours, bool) and within:
        return bool(abs(ours - theirs) <= within)
    if isinstance(ours, float):
        return repr(ours) == repr(theirs)  # nan equals nan, -0.0 is not 0.0
    return bool(ours == theirs)


class Pair:
    """Two connections, ours and theirs, that are always sent the same."""

    def __init__(self, ours: Connection, theirs: Connection) -> None:
        self.ours = ours
        self.theirs = theirs
        self.history: list[tuple[Any, ...]] = []  # shown when they differ: what led here

    def __call__(
        self,
        *arguments: Any,
        unordered: bool = False,
        within: float = 0.0,
        code_only: bool = False,
        peer_says: Any = _UNSET,
    ) -> Any:
        self.history.append(arguments)
        ours, theirs = self.ours.command(*arguments), self.theirs.command(*arguments)
        if peer_says is not _UNSET:
            assert theirs == peer_says, f"{arguments}: theirs {theirs!r}, expected {peer_says!r}"
            return ours
        a, b = (unordered_form(ours), unordered_form(theirs)) if unordered else (ours, theirs)
        if not same(a, b, within, code_only):
            led_here = "\n  ".join(repr(past) for past in self.history[-20:])
            raise AssertionError(f"{arguments}\n ours:   {ours!r}\n theirs: {theirs!r}\nafter:\n  {led_here}")
        return ours

    def pipeline(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        """All commands at once to each; replies compared one by one."""
        self.history.extend(commands)
        ours, theirs = self.ours.pipeline(commands), self.theirs.pipeline(commands)
        for command, a, b in zip(commands, ours, theirs, strict=True):
            assert same(a, b), f"{command}\n ours:   {a!r}\n theirs: {b!r}"
        return ours

    def resp3(self) -> None:
        self.ours.ok("HELLO", 3)
        self.theirs.ok("HELLO", 3)

    def resp2(self) -> None:
        self.ours.ok("HELLO", 2)
        self.theirs.ok("HELLO", 2)

    def same_keyspace(self) -> None:
        """The same keys with the same types, contents and times to live in the selected database."""
        for key in sorted(self("KEYS", "*", unordered=True)):
            kind = self("TYPE", key)
            self("PTTL", key, within=2000)
            if read := READ_ALL.get(str(kind)):
                self(*(key if word is None else word for word in read), unordered=kind in ("set", "hash"))


READ_ALL: dict[str, tuple[Any, ...]] = {  # None stands for the key
    "string": ("GET", None),
    "list": ("LRANGE", None, 0, -1),
    "set": ("SMEMBERS", None),
    "hash": ("HGETALL", None),
    "zset": ("ZRANGE", None, 0, -1, "WITHSCORES"),
    "stream": ("XRANGE", None, "-", "+"),
}
