"""DEBUG about keys: fingerprints of data, how one value is kept, and the tables under them."""

from typing import Any

from server.dispatch.call import Call
from server.keyspace import digest
from server.persistence.object_writer import value_size
from server.registry import args, clock
from server.registry.debug import subcommand
from server.registry.directive import parse_memory
from server.registry.errors import NO_SUCH_KEY, CommandError
from server.registry.reply import OK, Verbatim
from server.types import list as list_

_MANY = 1 << 20


# ---- the data's fingerprint
@subcommand("DIGEST", 0, 0, "", "Show a fingerprint of all data; zeros when there is none.")
def digest_(call: Call) -> str:
    """Order of keys and elements does not count."""
    return digest.keyspace_digest(call.db.keyspace).hex()


@subcommand("DIGEST-VALUE", 0, _MANY, "<key> [<key> ...]", "Show a fingerprint of each value.")
def digest_value(call: Call, *keys: bytes) -> list[str]:
    """Zeros for a key that is absent."""
    return [digest.value_digest(call.db, key).hex() for key in keys]


@subcommand(
    "POPULATE",
    1,
    3,
    "<count> [<prefix>] [<size>]",
    "Add <count> string keys <prefix>:<number> that are not there,",
    "with values value:<number>, cut or filled to <size> bytes. Replicas do not hear.",
)
def populate(call: Call, count: bytes, prefix: bytes = b"key", size: bytes = b"0") -> str:
    """Fast enough for millions."""
    number, length = args.positive(count), args.positive(size)
    db, effects = call.db, call.server.effects
    db.expand(number)
    for i in range(number):
        key = b"%s:%d" % (prefix, i)
        if not db.exists(key):
            value = b"value:%d" % i
            db.set(key, value[:length].ljust(length, b"\0") if length else value)
            effects.changed(db, key, None)
    return OK


# ---- one key
def _require(call: Call, key: bytes) -> None:
    if not call.db.exists(key):
        raise CommandError(NO_SUCH_KEY)


@subcommand("OBJECT", 1, 1, "<key>", "Show how a value is kept.")
def object_(call: Call, key: bytes) -> str:
    """Encoding, size when saved, and age, in Redis's words; of a key past its time only that it is there yet."""
    if call.db.is_expired(key):
        return "Value at:0 refcount:1 encoding:expired serializedlength:0 lru:0 lru_seconds_idle:0"
    _require(call, key)
    encoding = call.db.encoding(key) or call.db.view(key).encoding_name()
    idle = call.db.idle_seconds(key) or 0
    extra = call.db.view(key).debug_object() if encoding == "quicklist" else ""
    return (
        f"Value at:{hash(key) & 0xFFFFFFFFFFFF:#x} refcount:1 encoding:{encoding} "
        f"serializedlength:{_serialized_length(call, key)} lru:{(clock.lru_clock() - idle) & 0xFFFFFF} "
        f"lru_seconds_idle:{idle}{extra}"
    )


def _serialized_length(call: Call, key: bytes) -> int:
    """Bytes that the value takes in an RDB file."""
    return value_size(call.db, key, call.config.rdb_version, call.config.rdbcompression)


@subcommand("SDSLEN", 1, 1, "<key>", "Show the lengths of a key and its string value.")
def sdslen(call: Call, key: bytes) -> str:
    """In Redis's words; spare room is not kept here."""
    _require(call, key)
    value = call.db.peek(key)
    if value is None or call.db.encoding(key) == "int":
        raise CommandError("ERR Not an sds encoded string.")
    return (
        f"key_sds_len:{len(key)}, key_sds_avail:0, key_zmalloc: {len(key)}, val_sds_len:{len(value)}, "
        f"val_sds_avail:0, val_zmalloc: {len(value)}"
    )


def _print_structure(call: Call, key: bytes, encoding: str, title: str, full: bool = False) -> str:
    _require(call, key)
    view = call.db.view(key)
    if view is None or view.encoding_name() != encoding:
        raise CommandError(f"ERR Not a {encoding} encoded object.")
    text = view.debug_text(full) if hasattr(view, "debug_text") else b""
    print(text.decode("latin-1"), flush=True)
    return f"{title} structure printed on stdout"


@subcommand("LISTPACK", 1, 1, "<key>", "Print a value kept as listpack to standard output.")
def listpack(call: Call, key: bytes) -> str:
    """For those who look at the process's output."""
    return _print_structure(call, key, "listpack", "Listpack")


@subcommand("QUICKLIST", 1, 2, "<key> [<0|1>]", "Print a value kept as quicklist to standard output.")
def quicklist(call: Call, key: bytes, full: bytes = b"0") -> str:
    """The same for long lists."""
    return _print_structure(call, key, "quicklist", "Quicklist", args.parse_integer(full) not in (0, None))


@subcommand(
    "QUICKLIST-PACKED-THRESHOLD",
    1,
    1,
    "<size>",
    "Set from how many bytes a list's element gets a node of its own;",
    "0 for the default of 1gb.",
)
def quicklist_packed_threshold(call: Call, size: bytes) -> str:
    """For lists from now on; elements that are there stay where they are."""
    threshold = parse_memory(size.decode("latin-1"))
    if threshold is None or not 0 <= threshold < 1 << 63 or not list_.set_packed_threshold(threshold):
        raise CommandError("ERR argument must be a memory value bigger than 1 and smaller than 4gb")
    return OK


# ---- tables
def _table_stats(stats: dict[str, Any]) -> str:
    """Redis's text about a hash table, resizing or not."""
    if not sum(stats["used"]):
        return "No stats available for empty dictionaries\n"
    text = ""
    for number, title in enumerate(("main hash table", "rehashing target")):
        if number == 0 or stats["buckets"][number]:
            text += (
                f"Hash table {number} stats ({title}):\n table size: {stats['buckets'][number]}\n"
                f" number of elements: {stats['used'][number]}\n"
            )
    return text


@subcommand("HTSTATS", 1, 2, "<dbid> [full]", "Show buckets and elements of a database's table.")
def htstats(call: Call, number: bytes, full: bytes = b"") -> Verbatim:
    """Expires live in the same table here."""
    index = args.integer(number)
    databases = call.db.keyspace.databases
    if not 0 <= index < len(databases):
        raise CommandError("ERR Out of range database")
    db = databases[index]
    expires = f" number of elements: {db.expires}\n" if db.expires else _table_stats({"used": [0]})
    return Verbatim(f"[Dictionary HT]\n{_table_stats(db.hash_stats())}[Expires HT]\n{expires}")


@subcommand("HTSTATS-KEY", 1, 2, "<key> [full]", "Show buckets and elements of the table that a value is.")
def htstats_key(call: Call, key: bytes, full: bytes = b"") -> Verbatim:
    """Only values that are kept in a table have one."""
    _require(call, key)
    stats = getattr(call.db.view(key), "hash_stats", None)
    found = stats() if stats is not None else None
    if found is None:
        raise CommandError("ERR The value stored at the specified key is not represented using an hash table")
    return Verbatim(_table_stats(found))
