"""DEBUG about keys, as far as it takes more than a database (server.keyspace.debug)."""

from server.dispatch.call import Call
from server.keyspace.debug import require
from server.persistence.object_writer import value_size
from server.registry import args, clock
from server.registry.debug import Subcommands
from server.registry.reply import OK

subcommand = Subcommands(Call)


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


@subcommand("OBJECT", 1, 1, "<key>", "Show how a value is kept.")
def object_(call: Call, key: bytes) -> str:
    """Encoding, size when saved, and age, in Redis's words; of a key past its time only that it is there yet."""
    if call.db.is_expired(key):
        return "Value at:0 refcount:1 encoding:expired serializedlength:0 lru:0 lru_seconds_idle:0"
    require(call.db, key)
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
