"""Data as commands: what would have to be sent to an empty server to make it hold the same (a base without RDB).

Large values take several commands of up to 64 elements each, so that none is longer than the reader of the file likes.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

ITEMS_PER_COMMAND = 64
LAST_ID = ((1 << 64) - 1, (1 << 64) - 1)


def encode(*words: bytes) -> bytes:
    """A command as RESP."""
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%s\r\n" % (len(word), word) for word in words])


def commands_of(keyspace: Any, libraries: Iterable[bytes] = (), delay_us: int = 0) -> Iterator[tuple[bytes, int]]:
    """(commands, keys so far) for all databases. delay_us: rest after each key (tests). Complexity: O(N)."""
    for source in libraries:
        yield encode(b"FUNCTION", b"LOAD", source), 0
    shown, keyspace.show_expired = keyspace.show_expired, True
    count = 0
    try:
        for db in keyspace.databases:
            if not len(db):
                continue
            yield encode(b"SELECT", b"%d" % db.index), count
            for key in db.all_keys():
                for wire in commands_of_key(db, key):
                    yield wire, count
                count += 1
                expire = db.expire_at(key)
                if expire >= 0:
                    yield encode(b"PEXPIREAT", key, b"%d" % expire), count
                if delay_us > 0:
                    time.sleep(delay_us / 1e6)
    finally:
        keyspace.show_expired = shown


def commands_of_key(db: Any, key: bytes) -> Iterator[bytes]:
    """The commands that make one key's value."""
    kind = db.type_of(key, notify=False)
    if kind == "string":
        yield encode(b"SET", key, db.peek(key))
    elif kind == "list":
        yield from _in_portions(b"RPUSH", key, db.view(key).items())
    elif kind == "set":
        yield from _in_portions(b"SADD", key, db.view(key).members())
    elif kind == "hash":
        yield from _in_portions(b"HMSET", key, [word for pair in db.view(key).items() for word in pair], 2)
    elif kind == "zset":
        pairs = db.view(key).items()
        yield from _in_portions(b"ZADD", key, [word for member, score in pairs for word in (_score(score), member)], 2)
    elif kind == "stream":
        yield from _stream(key, db.view(key))


def _in_portions(name: bytes, key: bytes, words: Sequence[bytes], words_each: int = 1) -> Iterator[bytes]:
    step = ITEMS_PER_COMMAND * words_each
    for at in range(0, len(words), step):
        yield encode(name, key, *words[at : at + step])


def _score(score: float) -> bytes:
    """17 significant digits: the same double comes back."""
    return b"%.17g" % score


def _id(number: tuple[int, int]) -> bytes:
    return b"%d-%d" % number


def _stream(key: bytes, stream: Any) -> Iterator[bytes]:
    if len(stream):
        for number, pairs in stream.items():
            yield encode(b"XADD", key, _id(number), *pairs)
    else:
        yield encode(b"XADD", key, b"MAXLEN", b"0", b"0-1", b"x", b"y")
    yield encode(b"XSETID", key, _id(stream.last_id), b"ENTRIESADDED", b"%d" % stream.entries_added, b"MAXDELETEDID",
                 _id(stream.max_deleted_id))
    for group in stream.groups():
        yield encode(b"XGROUP", b"CREATE", key, group.name, _id(group.last_id), b"ENTRIESREAD",
                     b"%d" % group.entries_read)
        for consumer in group.consumers():
            yield from _consumer(key, group, consumer)


def _consumer(key: bytes, group: Any, consumer: Any) -> Iterator[bytes]:
    if not consumer.pending_count:
        yield encode(b"XGROUP", b"CREATECONSUMER", key, group.name, consumer.name)
        return
    for shown, *_ in group.pending_range(consumer, (0, 0), LAST_ID, consumer.pending_count):
        ms, _, sequence = shown.partition(b"-")
        entry = group.pending((int(ms), int(sequence)))
        yield encode(b"XCLAIM", key, group.name, consumer.name, b"0", shown, b"TIME", b"%d" % entry.delivered_ms,
                     b"RETRYCOUNT", b"%d" % entry.deliveries, b"JUSTID", b"FORCE")
