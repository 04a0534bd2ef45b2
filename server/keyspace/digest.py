"""DEBUG DIGEST: a fingerprint of the data, the same whatever order keys and unordered elements are kept in.

It is the one that Redis 7.2 computes, so servers of both kinds hold the same data exactly if the digests are equal. Two
ways to take something into a digest of 20 bytes, both with SHA-1:

    unordered(digest, data)     digest XOR SHA1(data)                       order does not count
    ordered(digest, data)       SHA1(unordered(digest, data))               order counts

A key starts with its name, then come the number of its type, its elements, and whether it expires. Groups of streams do
not count. A score is taken in by its shortest digits, 5e+9 rather than 5000000000; Redis 7.0 has 17 digits there, and
other digests.
"""

from collections.abc import Callable, Iterable

from server.keyspace.database import Database, Keyspace
from server.registry.light import Any
from server.types.hash import Hash
from server.types.list import List
from server.types.set import Set
from server.types.sorted_set import SortedSet, score_digits
from server.types.stream import Stream

EMPTY = bytes(20)
_EXPIRE_MARK = b"!!expire!!"


def _number(data: bytes) -> int:
    from hashlib import sha1

    return int.from_bytes(sha1(data, usedforsecurity=False).digest(), "big")


def unordered(digest: int, data: bytes) -> int:
    """Take something in whose place does not count."""
    return digest ^ _number(data)


def ordered(digest: int, data: bytes) -> int:
    """Take something in whose place counts."""
    return _number((digest ^ _number(data)).to_bytes(20, "big"))


def _chain(digest: int, words: Iterable[bytes]) -> int:
    for word in words:
        digest = ordered(digest, word)
    return digest


def _pairs(digest: int, pairs: Iterable[tuple[bytes, bytes]]) -> int:
    for first, second in pairs:
        digest = unordered(digest, ordered(ordered(0, first), second).to_bytes(20, "big"))
    return digest


# ---- types
def _list(digest: int, view: List) -> int:
    return _chain(digest, view.items())


def _set(digest: int, view: Set) -> int:
    for member in view.members():
        digest = unordered(digest, member)
    return digest


def _hash(digest: int, view: Hash) -> int:
    return _pairs(digest, view.items())


def _sorted_set(digest: int, view: SortedSet) -> int:
    return _pairs(digest, ((member, score_digits(score)) for member, score in view.items()))


def _stream(digest: int, view: Stream) -> int:
    for number, words in view.items():
        digest = _chain(ordered(digest, b"%d.%d" % number), words)
    return digest


# By type: its number, and what takes a value into a digest.
_TYPES: dict[str, tuple[int, Callable[[int, Any], int]]] = {
    "string": (0, ordered), "list": (1, _list), "set": (2, _set), "zset": (3, _sorted_set), "hash": (4, _hash),
    "stream": (6, _stream),
}


def _take_value(digest: int, db: Database, key: bytes) -> int:
    kind = db.type_of(key, notify=False)
    if kind is None:
        return digest
    number, take = _TYPES[kind]
    digest = take(ordered(digest, number.to_bytes(4, "big")), db.peek(key) if kind == "string" else db.view(key))
    return unordered(digest, _EXPIRE_MARK) if db.expire_at(key) >= 0 else digest


# ---- what is asked for
def value_digest(db: Database, key: bytes) -> bytes:
    """The digest of a key's value and of whether it expires; EMPTY when it is absent. Complexity: O(its size)."""
    return _take_value(0, db, key).to_bytes(20, "big")


def keyspace_digest(keyspace: Keyspace) -> bytes:
    """The digest of all databases; zeros when there is no key. Complexity: O(size of the data)."""
    total = 0
    for db in keyspace.databases:
        if len(db):
            total = ordered(total, db.index.to_bytes(4, "big"))
            for key in db.all_keys():
                total = unordered(total, _take_value(ordered(0, key), db, key).to_bytes(20, "big"))
    return total.to_bytes(20, "big")
