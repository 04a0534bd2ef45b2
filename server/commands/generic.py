"""Keys, whatever they hold: delete, rename, move, copy, look at type and encoding.

Expiry is in generic_expire, walking over all keys in generic_scan.
"""

from server.dispatch.call import Call
from server.keyspace.database import Database
from server.registry import args, errors
from server.registry.command import DENYOOM, FAST, LOADING, READONLY, STALE, WRITE, container, group
from server.registry.errors import CommandError, syntax
from server.registry.keys import ACCESS, DELETE, INSERT, OW, RM, RO, RW, UPDATE, every_key, keys, one_key, spec
from server.registry.reply import OK

command = group("generic")

_OF_ALL_SHARDS = ("request_policy:multi_shard", "response_policy:agg_sum")
_INT_MIN, _INT_MAX = -(1 << 31), (1 << 31) - 1
# Redis shares the objects of small numbers and shows this for them; as many programs look at it, so do we.
SHARED_INTEGERS = 10000
SHARED_REFERENCES = 2147483647


# ---- deleting
@command("DEL", arity=-2, flags=WRITE, keys=every_key(RM, DELETE), since="1.0.0", syntax="key [key ...]",
         tips=_OF_ALL_SHARDS)
def del_(call: Call, *names: bytes) -> int:
    """Delete keys; the reply is how many were there.

    With lazyfree-lazy-user-del large values are freed in the background, as UNLINK does.

    Complexity: O(N) where N is the number of keys, and for each collection O(M) of its elements to free them.
    """
    return _delete(call, names, call.config.lazyfree_lazy_user_del)


@command("UNLINK", arity=-2, flags=WRITE | FAST, keys=every_key(RM, DELETE), since="4.0.0", syntax="key [key ...]",
         tips=_OF_ALL_SHARDS)
def unlink(call: Call, *names: bytes) -> int:
    """Delete keys and free large values in the background; the reply is how many were there.

    Complexity: O(1) for each key; the memory comes back in O(N) steps afterwards, N being the elements.
    """
    return _delete(call, names, True)


def _delete(call: Call, names: tuple[bytes, ...], lazy: bool) -> int:
    remove = call.db.unlink if lazy else call.db.delete
    count = 0
    for name in names:
        if remove(name):
            call.deleted(name)
            count += 1
    return count


def _make_absent(call: Call, db: Database, key: bytes) -> None:
    """Delete a key that something is about to take the place of."""
    (db.unlink if call.config.lazyfree_lazy_server_del else db.delete)(key)


# ---- looking
@command("EXISTS", arity=-2, flags=READONLY | FAST, keys=every_key(RO), since="1.0.0", syntax="key [key ...]",
         tips=_OF_ALL_SHARDS, history=(("3.0.3", "Accepts multiple `key` arguments."),))
def exists(call: Call, *names: bytes) -> int:
    """Count how many of the given keys exist; a key named twice counts twice.

    Complexity: O(N) where N is the number of keys.
    """
    return sum(call.db.type_of(name) is not None for name in names)


@command("TOUCH", arity=-2, flags=READONLY | FAST, keys=every_key(RO), since="3.2.1", syntax="key [key ...]",
         tips=_OF_ALL_SHARDS)
def touch(call: Call, *names: bytes) -> int:
    """Note an access to keys, for LRU or LFU, and count those that exist. Works for CLIENT NO-TOUCH clients too.

    Complexity: O(N) where N is the number of keys.
    """
    shared = call.db.keyspace
    before, shared.no_touch = shared.no_touch, False
    try:
        return sum(call.db.touch(name) for name in names)
    finally:
        shared.no_touch = before


@command("TYPE", arity=2, flags=READONLY | FAST, keys=one_key(RO), since="1.0.0", syntax="key")
def type_(call: Call, key: bytes) -> str:
    """Tell the type of a value: string, list, set, zset, hash, stream, or none.

    Complexity: O(1)
    """
    return call.db.type_of(key) or "none"


# ---- names
@command("RENAME", arity=3, flags=WRITE, keys=keys(spec(RW, ACCESS, DELETE), spec(OW, UPDATE, begin=2)), since="1.0.0",
         syntax="key newkey")
def rename(call: Call, key: bytes, new: bytes) -> str:
    """Give a key another name, with its expire; a value under that name is lost.

    Complexity: O(1), and the cost of freeing what had the new name.
    """
    _rename(call, key, new)
    return OK


@command("RENAMENX", arity=3, flags=WRITE | FAST, keys=keys(spec(RW, ACCESS, DELETE), spec(OW, INSERT, begin=2)),
         since="1.0.0", syntax="key newkey",
         history=(("3.2.0", "The command no longer returns an error when source and destination names are the same."),))
def renamenx(call: Call, key: bytes, new: bytes) -> int:
    """Give a key another name unless that is taken: 1 when renamed, else 0.

    Complexity: O(1)
    """
    return int(_rename(call, key, new, only_if_free=True))


def _rename(call: Call, key: bytes, new: bytes, *, only_if_free: bool = False) -> bool:
    db = call.db
    if not db.exists(key):
        raise CommandError(errors.NO_SUCH_KEY)
    if key == new or (db.exists(new) and only_if_free):
        return False
    value = db.take(key)
    assert value is not None               # nothing came between
    _make_absent(call, db, new)
    db.put(new, value)
    call.changed(key, "rename_from")
    call.changed(new, "rename_to", by=0)
    return True


# ---- other databases
def _database(call: Call, text: bytes) -> Database:
    """The database with this number. Errors: not an integer, out of range."""
    number = args.integer(text)
    if not _INT_MIN <= number <= _INT_MAX:
        raise CommandError(f"{errors.OUT_OF_RANGE}, value must between {_INT_MIN} and {_INT_MAX}")
    databases = call.db.keyspace.databases
    if not 0 <= number < len(databases):
        raise CommandError(errors.DB_OUT_OF_RANGE)
    return databases[number]


@command("MOVE", arity=3, flags=WRITE | FAST, keys=one_key(RW, ACCESS, UPDATE), since="1.0.0", syntax="key db")
def move(call: Call, key: bytes, number: bytes) -> int:
    """Move a key with its expire to another database: 1, or 0 when it is absent here or present there.

    Complexity: O(1)
    """
    if call.config.cluster_enabled:
        raise CommandError("ERR MOVE is not allowed in cluster mode")
    target = _database(call, number)
    if target is call.db:
        raise CommandError(errors.SAME_OBJECT)
    if not call.db.exists(key) or target.exists(key):
        return 0
    value = call.db.take(key)
    assert value is not None               # nothing came between
    target.put(key, value)
    call.changed(key, "move_from")
    call.changed(key, "move_to", by=0, db=target)
    return 1


@command("COPY", arity=-3, flags=WRITE | DENYOOM, keys=keys(spec(RO, ACCESS), spec(OW, UPDATE, begin=2)), since="6.2.0",
         syntax="source destination [DB destination-db] [REPLACE]")
def copy(call: Call, source: bytes, destination: bytes, *words: bytes) -> int:
    """Copy a value with its expire to another key, here or in another database: 1, or 0 when nothing was copied.

    That is when the source is absent, or the destination is there and REPLACE is not given.

    Complexity: O(N) for collections, N being the elements; O(1) for strings.
    """
    target, replace = _copy_options(call, words)
    if call.config.cluster_enabled and (call.db.index or target.index):
        raise CommandError("ERR Copying to another database is not allowed in cluster mode")
    if target is call.db and source == destination:
        raise CommandError(errors.SAME_OBJECT)
    if not call.db.touch(source) or (target.exists(destination) and not replace):
        return 0
    value = call.db.duplicate(source)
    assert value is not None               # nothing came between
    _make_absent(call, target, destination)
    target.put(destination, value)
    call.changed(destination, "copy_to", db=target)
    return 1


def _copy_options(call: Call, words: tuple[bytes, ...]) -> tuple[Database, bool]:
    target, replace = call.db, False
    rest = list(words)
    while rest:
        name = rest.pop(0).upper()
        if name == b"REPLACE":
            replace = True
        elif name == b"DB" and rest:
            target = _database(call, rest.pop(0))
        else:
            raise syntax()
    return target, replace


# ---- OBJECT
container("OBJECT", "generic", "Ask how the server keeps a value.", since="2.2.3", acl=("-keyspace",))
_ASK = {"flags": READONLY, "keys": one_key(RO, at=2), "syntax": "key", "tips": ("nondeterministic_output",)}


@command("OBJECT|ENCODING", arity=3, since="2.2.3", **_ASK)
def object_encoding(call: Call, key: bytes) -> bytes | None:
    """Name the representation of a value in memory: int, embstr, raw, listpack, quicklist, intset, hashtable,
    skiplist or stream; null when the key is absent.

    Complexity: O(1)
    """
    if call.db.type_of(key, notify=False) is None:
        return None
    found = call.db.encoding(key)
    return str(found or call.db.view(key).encoding_name()).encode()


@command("OBJECT|FREQ", arity=3, since="4.0.0", **_ASK)
def object_freq(call: Call, key: bytes) -> int | None:
    """Return the access counter of a key, 0 to 255 on a logarithmic scale; only under an LFU maxmemory-policy.

    Complexity: O(1)
    """
    if call.db.type_of(key, notify=False) is None:
        return None
    if not call.db.keyspace.lfu:
        raise CommandError("ERR An LFU maxmemory policy is not selected, access frequency not tracked. " + _SWITCHING)
    return call.db.frequency(key)


@command("OBJECT|IDLETIME", arity=3, since="2.2.3", **_ASK)
def object_idletime(call: Call, key: bytes) -> int | None:
    """Return the seconds since a key was last accessed; not under an LFU maxmemory-policy.

    Complexity: O(1)
    """
    if call.db.type_of(key, notify=False) is None:
        return None
    if call.db.keyspace.lfu:
        raise CommandError("ERR An LFU maxmemory policy is selected, idle time not tracked. " + _SWITCHING)
    return call.db.idle_seconds(key)


_SWITCHING = ("Please note that when switching between policies at runtime LRU and LFU data will take some time to "
              "adjust.")


@command("OBJECT|REFCOUNT", arity=3, since="2.2.3", **_ASK)
def object_refcount(call: Call, key: bytes) -> int | None:
    """Return how many references a value has: 1, and 2147483647 for a number of the pool that small numbers share.

    Complexity: O(1)
    """
    if call.db.type_of(key, notify=False) is None:
        return None
    if call.db.encoding(key) != "int" or not 0 <= int(call.db.peek(key) or 0) < SHARED_INTEGERS:
        return 1
    no_sharing = call.config.maxmemory and call.config.maxmemory_policy.endswith(("lru", "lfu"))
    return 1 if no_sharing else SHARED_REFERENCES


@command("OBJECT|HELP", arity=2, flags=LOADING | STALE, since="6.2.0")
def object_help(call: Call) -> list[str]:
    """List the subcommands.

    Complexity: O(1)
    """
    return [
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
        "HELP",
        "    Print this help.",
    ]
