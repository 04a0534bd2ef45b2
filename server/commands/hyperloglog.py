"""HyperLogLogs: how many different elements were seen, in at most 12 KB, with a standard error of 0.81 %.

A HyperLogLog is a string key with a header; GET and SET copy one. It starts sparse and becomes dense when
hll-sparse-max-bytes or a count above 32 in one register asks for it. The cardinality is cached in the header, which is
why PFCOUNT may write. Formats and arithmetic are in structures.hyperloglog.
"""

from server.dispatch.call import Call
from server.registry.command import ADMIN, DENYOOM, FAST, MAY_REPLICATE, READONLY, WRITE, group
from server.registry.errors import CommandError
from server.registry.keys import ACCESS, INSERT, RO, RW, keys, one_key, spec
from server.registry.light import Any
from server.registry.reply import OK
from server.structures import hyperloglog
from server.structures.hyperloglog import CorruptHyperLogLog

command = group("hyperloglog")

NOT_VALID = "WRONGTYPE Key is not a valid HyperLogLog string value."
CORRUPT = "INVALIDOBJ Corrupted HLL object detected"
HEADER = 16                 # bytes: magic, encoding, cached cardinality


def _checked(value: bytes | None) -> bytes | None:
    if value is not None and not hyperloglog.is_valid(value):
        raise CommandError(NOT_VALID)
    return value


def _for_write(call: Call, key: bytes) -> bytes | None:
    """The value on behalf of a write. Errors: WRONGTYPE (two texts)."""
    return _checked(call.db.get_for_write(key))


def _store(call: Call, key: bytes, value: bytes, old: bytes | None) -> None:
    """Put a changed value in the place of the old one, keeping the expire; only the header if no more differs. The
    string is `raw` afterwards, however short: it is written in place, as SETRANGE does."""
    if old is not None and len(old) == len(value) and old[HEADER:] == value[HEADER:]:
        value = value[:HEADER]
    elif old is not None and len(value) < len(old):
        call.db.set(key, value, True)
    call.db.set_range(key, 0, value)


@command("PFADD", arity=-2, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, INSERT), since="2.8.9",
         syntax="key [element [element ...]]")
def pfadd(call: Call, key: bytes, *elements: bytes) -> int:
    """Add elements to a HyperLogLog, creating it when absent: 1 when a register (or the key) changed, else 0.

    Complexity: O(1) for each element.
    """
    old = _for_write(call, key)
    try:
        value, changes = hyperloglog.add(old, elements, call.config.hll_sparse_max_bytes)
    except CorruptHyperLogLog:
        raise CommandError(CORRUPT) from None
    if changes:
        _store(call, key, value, old)
        call.changed(key, "pfadd", by=changes)
    return int(changes > 0)


@command("PFCOUNT", arity=-2, flags=READONLY | MAY_REPLICATE, since="2.8.9", syntax="key [key ...]",
         keys=keys(spec(RW, ACCESS, find=("range", -1, 1, 0),
                        notes="RW because it may change the internal representation of the key, and propagate to "
                              "replicas")))
def pfcount(call: Call, *names: bytes) -> int:
    """Estimate how many different elements a HyperLogLog, or the union of several, has seen.

    Complexity: O(1) with a small constant for one key whose cardinality is cached, O(N) with a large constant else, N
    being the number of keys.
    """
    try:
        if len(names) > 1:
            values = [_checked(call.db.get(name)) for name in names]
            return hyperloglog.count_union(value for value in values if value is not None)
        old = _checked(call.db.get(names[0]))
        if old is None:
            return 0
        cardinality, value = hyperloglog.count(old)
    except CorruptHyperLogLog:
        raise CommandError(CORRUPT) from None
    if value is not None:
        _store(call, names[0], value, old)
        call.changed(names[0])
    return cardinality


@command("PFMERGE", arity=-2, flags=WRITE | DENYOOM, since="2.8.9", syntax="destkey [sourcekey [sourcekey ...]]",
         keys=keys(spec(RW, ACCESS, INSERT), spec(RO, ACCESS, begin=2, find=("range", -1, 1, 0))))
def pfmerge(call: Call, target: bytes, *sources: bytes) -> str:
    """Make a HyperLogLog the union of itself and others.

    Complexity: O(N) with a large constant, N being the number of keys.
    """
    try:
        values = [_checked(call.db.get(name)) for name in (target, *sources)]
        merged = hyperloglog.merge(values[0], [value for value in values[1:] if value is not None],
                                   call.config.hll_sparse_max_bytes)
    except CorruptHyperLogLog:
        raise CommandError(CORRUPT) from None
    _store(call, target, merged, values[0])
    call.changed(target, "pfadd")
    return OK


# ---- for tests
def _getreg(call: Call, key: bytes, value: bytes) -> list[int]:
    _todense(call, key, value)
    return hyperloglog.registers(value)


def _decode(call: Call, key: bytes, value: bytes) -> bytes:
    if hyperloglog.encoding(value) != "sparse":
        raise CommandError("ERR HLL encoding is not sparse")
    return hyperloglog.decode(value)


def _encoding(call: Call, key: bytes, value: bytes) -> str:
    return hyperloglog.encoding(value)


def _todense(call: Call, key: bytes, value: bytes) -> int:
    if hyperloglog.encoding(value) != "sparse":
        return 0
    call.db.set(key, hyperloglog.to_dense(value), True)
    call.dirty += 1             # AOF and replicas shall have the same encoding; nobody else needs to hear
    return 1


_DEBUG: dict[bytes, Any] = {b"GETREG": _getreg, b"DECODE": _decode, b"ENCODING": _encoding, b"TODENSE": _todense}


@command("PFDEBUG", arity=3, flags=WRITE | DENYOOM | ADMIN, keys=one_key(RW, ACCESS, at=2), since="2.8.9",
         syntax="subcommand key", system=True)
def pfdebug(call: Call, subcommand: bytes, key: bytes) -> Any:
    """Show a HyperLogLog's registers (GETREG), runs (DECODE) or ENCODING, or make it dense (TODENSE).

    Complexity: O(1)
    """
    value = _for_write(call, key)
    if value is None:
        raise CommandError("ERR The specified key does not exist")
    show = _DEBUG.get(subcommand.upper())
    if show is None:
        raise CommandError(b"ERR Unknown PFDEBUG subcommand '%s'" % subcommand)
    try:
        return show(call, key, value)
    except CorruptHyperLogLog:
        raise CommandError(CORRUPT) from None


@command("PFSELFTEST", arity=1, flags=ADMIN, since="2.8.9", system=True)
def pfselftest(call: Call) -> str:
    """Test registers and estimates with pseudo-random elements.

    Complexity: O(1), a noticeable fraction of a second.
    """
    failure = hyperloglog.selftest(call.config.hll_sparse_max_bytes)
    if failure is not None:
        raise CommandError(failure)
    return OK
