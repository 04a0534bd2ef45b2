"""DEBUG DIGEST: a fingerprint of the data, the same whatever order keys and unordered elements are kept in.

Each key gives a SHA-1 of its name and value; those are combined by XOR, so that order does not count. A master and its
replica, or a server before and after a restart, hold the same data exactly if the digests are equal.

A type says how its value is digested by `digests(type)`: a function of the view that returns 20 bytes. Ordered types
chain (`chained`), unordered ones combine (`combined`).
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

SIZE = 20
EMPTY = bytes(SIZE)
_EXPIRE_MARK = b"!!expire!!"
_by_type: dict[str, Callable[[Any], bytes]] = {}


def hashed(*parts: bytes) -> bytes:
    """SHA-1 of parts, so that ("ab", "c") and ("a", "bc") differ."""
    sha = hashlib.sha1(usedforsecurity=False)
    for part in parts:
        sha.update(b"%d:" % len(part))
        sha.update(part)
    return sha.digest()


def combined(digests: Iterable[bytes]) -> bytes:
    """XOR of digests: order does not count."""
    total = 0
    for digest in digests:
        total ^= int.from_bytes(digest, "big")
    return total.to_bytes(SIZE, "big")


def chained(digests: Iterable[bytes]) -> bytes:
    """A digest of digests in their order."""
    sha = hashlib.sha1(usedforsecurity=False)
    for digest in digests:
        sha.update(digest)
    return sha.digest()


def digests(type_name: str) -> Callable[[Callable[[Any], bytes]], Callable[[Any], bytes]]:
    """Register how values of a type ("list", "hash" ...) are digested; the function gets the view."""

    def register(function: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
        _by_type[type_name] = function
        return function

    return register


@digests("list")
def _list(view: Any) -> bytes:
    return chained(map(hashed, view.items()))


@digests("set")
def _set(view: Any) -> bytes:
    return combined(map(hashed, view.members()))


@digests("hash")
def _hash(view: Any) -> bytes:
    return combined(hashed(field, value) for field, value in view.items())


@digests("zset")
def _sorted_set(view: Any) -> bytes:
    return combined(hashed(member, repr(float(score)).encode()) for member, score in view.items())


@digests("stream")
def _stream(view: Any) -> bytes:
    return chained(hashed(b"%d-%d" % number, *pairs) for number, pairs in view.items())


def value_digest(db: Any, key: bytes) -> bytes:
    """The digest of a key's value and of whether it expires; EMPTY when it is absent. Complexity: O(its size)."""
    kind = db.type_of(key, notify=False)
    if kind is None:
        return EMPTY
    if kind == "string":
        value = hashed(b"string", db.peek(key))
    else:
        value = hashed(kind.encode(), _by_type[kind](db.view(key))) if kind in _by_type else hashed(kind.encode())
    return hashed(value, _EXPIRE_MARK) if db.expire_at(key) >= 0 else value


def database_digest(db: Any) -> bytes:
    """The digest of all keys of a database. Complexity: O(size of the data)."""
    number = b"%d" % db.index
    return combined(hashed(number, key, value_digest(db, key)) for key in db.all_keys())


def keyspace_digest(keyspace: Any) -> bytes:
    """The digest of all databases; zeros when there is no key."""
    return combined(database_digest(db) for db in keyspace.databases if len(db))
