"""DUMP and RESTORE: a value as bytes, to be kept elsewhere or moved to another server.

A payload is what an RDB file has for the value, the RDB version and a CRC64. It goes from older servers to newer ones;
with `rdb-version` 10 or 9 this server writes what Redis 7.0, or 5 and 6, read. What is restored comes from outside:
every byte of it is checked, whatever sanitize-dump-payload says, for an unchecked one could make the server read where
nothing is.
"""

from server.dispatch.call import Call
from server.observe.debug_settings import settings
from server.persistence.object_reader import BadPayload, check_footer, read_payload
from server.persistence.object_writer import payload
from server.registry import args, errors
from server.registry.command import ASKING, DENYOOM, READONLY, WRITE, group
from server.registry.errors import CommandError, syntax
from server.registry.keys import ACCESS, OW, RO, UPDATE, one_key
from server.registry.light import NamedTuple
from server.registry.reply import OK

command = group("generic")
server = group("server")

LONGEST_IDLE = (1 << 23) - 1        # seconds that the LRU clock can tell from the future


@command("DUMP", arity=2, flags=READONLY, keys=one_key(RO, ACCESS), since="2.6.0", syntax="key",
         tips=("nondeterministic_output",))
def dump(call: Call, key: bytes) -> bytes | None:
    """Return a value in a form that RESTORE takes, null when the key is absent. The expire is not in it.

    Complexity: O(1) to find the key, and O(N*M) to write the value, N being its elements and M their size.
    """
    return payload(call.db, key, call.config.rdb_version, call.config.rdbcompression)


class _Options(NamedTuple):
    replace: bool
    absolute: bool
    idle_seconds: int               # -1: not given
    frequency: int


def _options(words: tuple[bytes, ...]) -> _Options:
    """Errors: syntax, not an integer, out of range."""
    replace = absolute = False
    idle = frequency = -1
    rest = list(words)
    while rest:
        name = rest.pop(0).upper()
        if name == b"REPLACE":
            replace = True
        elif name == b"ABSTTL":
            absolute = True
        elif name == b"IDLETIME" and rest and frequency == -1:
            idle = args.integer(rest.pop(0))
            if idle < 0:
                raise CommandError("ERR Invalid IDLETIME value, must be >= 0")
        elif name == b"FREQ" and rest and idle == -1:
            frequency = args.integer(rest.pop(0))
            if not 0 <= frequency <= 255:
                raise CommandError("ERR Invalid FREQ value, must be >= 0 and <= 255")
        else:
            raise syntax()
    return _Options(replace, absolute, idle, frequency)


_SYNTAX = "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]"
_HISTORY = (("3.0.0", "Added the `REPLACE` modifier."), ("5.0.0", "Added the `ABSTTL` modifier."),
            ("5.0.0", "Added the `IDLETIME` and `FREQ` options."))


@command("RESTORE", arity=-4, flags=WRITE | DENYOOM, keys=one_key(OW, UPDATE), since="2.6.0", acl=("dangerous",),
         syntax=_SYNTAX, history=_HISTORY)
def restore(call: Call, key: bytes, ttl: bytes, serialized: bytes, *words: bytes) -> str:
    """Create a key from what DUMP returned, with a time to live in ms (0: none), or with ABSTTL until a Unix time.

    A key that is there is an error unless REPLACE is given. IDLETIME and FREQ tell LRU or LFU about past accesses.

    Complexity: O(1) to create the key, and O(N*M) to read the value, N being its elements and M their size; for sorted
    sets O(N*M*log(N)).
    """
    options = _options(words)
    if not options.replace and call.db.exists(key):
        raise CommandError(errors.BUSY_KEY)
    when = args.integer(ttl)
    if when < 0:
        raise CommandError("ERR Invalid TTL value, must be >= 0")
    if not check_footer(serialized, settings.skip_checksum_validation):
        raise CommandError("ERR DUMP payload version or checksum are wrong")
    try:
        value = read_payload(serialized)
    except BadPayload as why:
        call.server.log.verbose("Internal error in RDB reading offset 0, RESTORE -> %s", why)
        raise CommandError("ERR Bad data format") from None
    lazy = call.config.lazyfree_lazy_server_del
    deleted = options.replace and (call.db.unlink if lazy else call.db.delete)(key)
    if when and not options.absolute:
        when += call.now_ms
    if when and _is_past(call, when):
        if deleted:
            call.deleted(key)
            call.propagate_as(b"UNLINK" if lazy else b"DEL", key)
        return OK
    _create(call, key, value, when, options)
    if when and not options.absolute:
        call.propagate_as(call.argv[0], key, b"%d" % when, *call.argv[3:], b"ABSTTL")
    return OK


@server("RESTORE-ASKING", arity=-4, flags=WRITE | DENYOOM | ASKING, keys=one_key(OW, UPDATE), since="3.0.0",
        acl=("keyspace", "dangerous"), syntax=_SYNTAX, history=_HISTORY, system=True)
def restore_asking(call: Call, key: bytes, ttl: bytes, serialized: bytes, *words: bytes) -> str:
    """Create a key as RESTORE does, also where its slot is still on its way to this node: MIGRATE's word in a cluster.

    Complexity: as RESTORE
    """
    return restore(call, key, ttl, serialized, *words)


def _create(call: Call, key: bytes, value: object, when: int, options: _Options) -> None:
    """Give the key the value, an expire (Unix ms, 0: none) and its history."""
    if isinstance(value, bytes):
        call.db.set(key, value)
    else:
        call.db.store(key, value)
    if when:
        call.db.set_expire(key, when)
    if call.db.keyspace.lfu and options.frequency >= 0:
        call.db.set_access(key, frequency=options.frequency)
    elif not call.db.keyspace.lfu and options.idle_seconds >= 0:
        call.db.set_access(key, idle_seconds=min(options.idle_seconds, LONGEST_IDLE))
    call.changed(key, "restore")


def _is_past(call: Call, when: int) -> bool:
    """Whether a key with this expire need not be made. Not on a replica or while loading: there a DEL follows. A time
    beyond 64 bits, which only a relative one can become, has passed too: in Redis the sum wraps."""
    shared = call.db.keyspace
    return when > args.INT64_MAX or (when <= call.now_ms and not (shared.keep_expired or shared.show_expired))
