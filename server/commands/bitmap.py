"""Bitmaps: strings whose single bits are set, counted, searched and combined, and used as arrays of small integers.

Bit 0 is the highest bit of the first byte. What lies behind a string's end counts as zeros; writing there extends the
string with zero bytes. Offsets reach as far as a string may grow (proto-max-bulk-len).
"""

from collections.abc import Callable, Sequence

from server.dispatch.call import Call
from server.keyspace.database import StringView
from server.registry import args
from server.registry.command import DENYOOM, FAST, READONLY, WRITE, group
from server.registry.errors import CommandError, syntax
from server.registry.keys import (
    ACCESS,
    OW,
    RO,
    RW,
    UPDATE,
    VARIABLE_FLAGS,
    KeyReference,
    keys,
    one_key,
    spec,
)
from server.registry.light import NamedTuple
from server.structures import bits

command = group("bitmap")

BAD_OFFSET = "ERR bit offset is not an integer or out of range"
BAD_BIT = "ERR bit is not an integer or out of range"
BAD_TYPE = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
_UNITS = ((b"BIT", True), (b"BYTE", False))


def _offset(call: Call, text: bytes, width: int = 0) -> int:
    """A bit offset; with a width `#N` stands for N times it. Errors: not an integer or out of range."""
    counted = width > 0 and text.startswith(b"#")
    value = args.integer(text[1:] if counted else text, BAD_OFFSET) * (width if counted else 1)
    if not 0 <= value <= args.INT64_MAX:
        raise CommandError(BAD_OFFSET)
    if not call.client.obeyed and value >> 3 >= call.config.proto_max_bulk_len:
        raise CommandError(BAD_OFFSET)
    return value


def _make_room(call: Call, key: bytes, last_bit: int) -> bool:
    """Extend the string so that it has this bit; True when that changed it. Errors: WRONGTYPE."""
    found = call.db.check_string(key)
    length = call.db.string_length(key, write=True)
    if found and length > last_bit >> 3:
        return False
    call.db.set_range(key, last_bit >> 3, b"\0")
    return True


# ---- single bits
@command("SETBIT", arity=4, flags=WRITE | DENYOOM, keys=one_key(RW, ACCESS, UPDATE), since="2.2.0",
         syntax="key offset value")
def setbit(call: Call, key: bytes, offset: bytes, value: bytes) -> int:
    """Set or clear a bit of a string, extending it with zeros up to there; the reply is the bit before.

    Complexity: O(1)
    """
    at = _offset(call, offset)
    bit = args.integer(value, BAD_BIT)
    if bit not in (0, 1):
        raise CommandError(BAD_BIT)
    grown = _make_room(call, key, at)
    byte = call.db.part(key, at >> 3, 1)[0]
    mask = 0x80 >> (at & 7)
    old = int(byte & mask != 0)
    if grown or old != bit:
        call.db.set_range(key, at >> 3, bytes((byte & ~mask | mask * bit,)))
        call.changed(key, "setbit")
    return old


@command("GETBIT", arity=3, flags=READONLY | FAST, keys=one_key(RO, ACCESS), since="2.2.0", syntax="key offset")
def getbit(call: Call, key: bytes, offset: bytes) -> int:
    """Return one bit of a string; 0 behind its end and for an absent key.

    Complexity: O(1)
    """
    at = _offset(call, offset)
    byte = call.db.get_range(key, at >> 3, at >> 3)
    return byte[0] >> (7 - (at & 7)) & 1 if byte else 0


# ---- ranges
def _bit_range(start: int, end: int, length: int, by_bit: bool) -> tuple[int, int]:
    """The first and last bit of a range of bytes or bits, negative from the end; last < first: it is empty."""
    total = length * 8 if by_bit else length
    start = max(0, start + total if start < 0 else start)
    end = min(max(0, end + total if end < 0 else end), total - 1)
    if start > end:
        return 0, -1
    return (start, end) if by_bit else (start * 8, end * 8 + 7)


def _counts_bits(word: bytes) -> bool:
    """BIT or BYTE. Errors: syntax error."""
    for name, by_bit in _UNITS:
        if word.upper() == name:
            return by_bit
    raise syntax()


@command("BITCOUNT", arity=-2, flags=READONLY, keys=one_key(RO, ACCESS), since="2.6.0",
         syntax="key [start end [BYTE | BIT]]", history=(("7.0.0", "Added the `BYTE|BIT` option."),))
def bitcount(call: Call, key: bytes, *words: bytes) -> int:
    """Count the bits that are set, in the whole string or in a range of its bytes or bits.

    Complexity: O(N) where N is the length of the range.
    """
    value = call.db.string_view(key)
    if value is None:
        return 0
    if not words:
        return bits.count(value, 0, len(value) * 8 - 1)
    if len(words) not in (2, 3):
        raise syntax()
    start, end = args.integer(words[0]), args.integer(words[1])
    if start < 0 and end < 0 and start > end:
        return 0
    by_bit = len(words) == 3 and _counts_bits(words[2])
    return bits.count(value, *_bit_range(start, end, len(value), by_bit))


@command("BITPOS", arity=-3, flags=READONLY, keys=one_key(RO, ACCESS), since="2.8.7",
         syntax="key bit [start [end [BYTE | BIT]]]", history=(("7.0.0", "Added the `BYTE|BIT` option."),))
def bitpos(call: Call, key: bytes, bit: bytes, *words: bytes) -> int:
    """Find the first bit that is set, or clear, in the whole string or in a range of its bytes or bits; -1 without one.

    The string counts as followed by zeros, so a clear bit is always found unless an end of the range is given.

    Complexity: O(N) where N is the length of the range.
    """
    wanted = args.integer(bit)
    if wanted not in (0, 1):
        raise CommandError("ERR The bit argument must be 1 or 0.")
    value = call.db.string_view(key)
    if value is None:
        return -1 if wanted else 0
    if len(words) > 3:
        raise syntax()
    start = args.integer(words[0]) if words else 0
    by_bit = len(words) == 3 and _counts_bits(words[2])
    end = args.integer(words[1]) if len(words) > 1 else -1
    first, last = _bit_range(start, end, len(value), by_bit)
    found = bits.find(value, wanted, first, last)
    if found < 0 and not wanted and len(words) < 2 and first <= last:
        return len(value) * 8
    return found


@command("BITOP", arity=-4, flags=WRITE | DENYOOM,
         keys=keys(spec(OW, UPDATE, begin=2), spec(RO, ACCESS, begin=3, find=("range", -1, 1, 0))), since="2.6.0",
         syntax="<AND | OR | XOR | NOT> destkey key [key ...]")
def bitop(call: Call, operation: bytes, target: bytes, *sources: bytes) -> int:
    """Combine strings bit by bit into another key; the reply is its length, that of the longest.

    Shorter strings and absent keys count as filled up with zeros. An empty result deletes the target.

    Complexity: O(N) where N is the length of all strings together.
    """
    name = operation.decode("latin-1").lower()
    if name not in ("and", "or", "xor", "not"):
        raise syntax()
    if name == "not" and len(sources) > 1:
        raise CommandError("ERR BITOP NOT must be called with a single source key.")
    values = [value if value is not None else b"" for value in map(call.db.string_view, sources)]
    result = bits.combine(name, values)
    if result:
        call.db.exists(target)         # one that expired goes first, with its own event
        call.db.set(target, result)
        call.db.set_range(target, 0, result[:1])        # which makes it `raw`, however short, as in Redis
        call.changed(target, "set")
    elif call.db.delete(target):
        call.deleted(target)
    return len(result)


# ---- fields
class _Field(NamedTuple):
    """One operation of BITFIELD. width: bits."""

    name: bytes
    signed: bool
    width: int
    offset: int
    number: int
    overflow: bytes

    def decode(self, raw: int) -> int:
        """The number that these bits are."""
        return raw - (1 << self.width) if self.signed and raw >> (self.width - 1) else raw

    def fitted(self, value: int) -> int | None:
        """What is stored for a value: itself, or by OVERFLOW the nearest, the lower bits, or None for nothing."""
        half = 1 << (self.width - 1)
        low, high = (-half, half - 1) if self.signed else (0, 2 * half - 1)
        if low <= value <= high:
            return value
        if self.overflow == b"FAIL":
            return None
        if self.overflow == b"SAT":
            # As in Redis, a SET whose distance from the highest value exceeds 64 bits counts as beyond it.
            beyond = self.name == b"SET" and high - value > args.INT64_MAX
            return low if value < low and not beyond else high
        return self.decode(value & ((1 << self.width) - 1))


_OPERANDS = {b"GET": 2, b"SET": 3, b"INCRBY": 3}


def _fields(call: Call, words: Sequence[bytes]) -> list[_Field]:
    """The operations of a call. Errors: syntax, type, offset, not an integer."""
    found = []
    overflow = b"WRAP"
    at = 0
    while at < len(words):
        name, left = words[at].upper(), len(words) - at - 1
        if name == b"OVERFLOW" and left:
            overflow = words[at + 1].upper()
            if overflow not in (b"WRAP", b"SAT", b"FAIL"):
                raise CommandError("ERR Invalid OVERFLOW type specified")
            at += 2
            continue
        operands = _OPERANDS.get(name, len(words))
        if left < operands:
            raise syntax()
        signed, width = _field_type(words[at + 1])
        offset = _offset(call, words[at + 2], width)
        number = args.integer(words[at + 3]) if operands == 3 else 0
        found.append(_Field(name, signed, width, offset, number, overflow))
        at += 1 + operands
    return found


def _field_type(text: bytes) -> tuple[bool, int]:
    """i1 to i64, u1 to u63: (signed, bits)."""
    signed = text[:1] == b"i"
    width = args.integer(text[1:].split(b"\0")[0], BAD_TYPE) if text[:1] in (b"i", b"u") else 0
    if not 1 <= width <= (64 if signed else 63):
        raise CommandError(BAD_TYPE)
    return signed, width


def _bitfield(call: Call, key: bytes, fields: list[_Field]) -> list[int | None]:
    """Execute the operations in turn."""
    db = call.db
    writes = [field for field in fields if field.name != b"GET"]
    grown = _make_room(call, key, max(field.offset + field.width - 1 for field in writes)) if writes else False
    read = db.part if writes else _reader(db.string_view(key))
    replies: list[int | None] = []
    changes = 0
    for field in fields:
        first, size = field.offset >> 3, (field.offset % 8 + field.width + 7) // 8
        shift = size * 8 - field.offset % 8 - field.width
        mask = (1 << field.width) - 1
        around = int.from_bytes(read(key, first, size).ljust(size, b"\0"), "big")
        old = field.decode(around >> shift & mask)
        if field.name == b"GET":
            replies.append(old)
            continue
        new = field.fitted(_operand(field, old))
        replies.append(None if new is None else new if field.name == b"INCRBY" else old)
        if new is not None:
            around = around & ~(mask << shift) | (new & mask) << shift
            db.set_range(key, first, around.to_bytes(size, "big"))
            changes += grown or old != new
    if changes or grown:  # grown, and then OVERFLOW FAIL: Redis tells nobody, and its AOF and replicas lack the zeros
        call.changed(key, "setbit", by=max(changes, 1))
    return replies


def _operand(field: _Field, old: int) -> int:
    """The value that is to be stored, before it is fitted. SET of an unsigned field reads a negative number as the
    large one with the same 64 bits."""
    if field.name == b"INCRBY":
        return old + field.number
    return field.number if field.signed else field.number & ((1 << 64) - 1)


def _reader(value: StringView | None) -> Callable[[bytes, int, int], bytes]:
    view = memoryview(value if value is not None else b"")
    return lambda key, start, size: bytes(view[start:start + size])


def _bitfield_keys(argv: Sequence[bytes]) -> list[KeyReference]:
    """BITFIELD that only reads needs no right to write; what is no BITFIELD at all is taken to write."""
    at = 2
    while at < len(argv):
        words = _READING.get(argv[at].upper(), len(argv))
        if at + words > len(argv):
            return [KeyReference(1, (RW, ACCESS, UPDATE))]
        at += words
    return [KeyReference(1, (RO, ACCESS))]


_READING = {b"GET": 3, b"OVERFLOW": 2}         # operations that do not write, and how many words they are


@command("BITFIELD", arity=-2, flags=WRITE | DENYOOM, since="3.2.0",
         keys=keys(spec(RW, UPDATE, ACCESS, VARIABLE_FLAGS,
                        notes="This command allows both access and modification of the key"), reader=_bitfield_keys),
         syntax="key [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value | "
                "INCRBY encoding offset increment> [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] "
                "<SET encoding offset value | INCRBY encoding offset increment> ...]]")
def bitfield(call: Call, key: bytes, *words: bytes) -> list[int | None]:
    """Read, set and increment integers of any width at any bit of a string; a reply for each operation.

    A type is i or u and the number of bits (i64, u63 at most), an offset counts bits, or with # fields of that type.
    SET replies with the number before, INCRBY with the new one. What does not fit is wrapped around, or after OVERFLOW
    SAT set to the nearest, or after OVERFLOW FAIL left alone with a null reply.

    Complexity: O(1) for each operation.
    """
    return _bitfield(call, key, _fields(call, words))


@command("BITFIELD_RO", arity=-2, flags=READONLY | FAST, keys=one_key(RO, ACCESS), since="6.0.0",
         syntax="key [GET encoding offset [GET encoding offset ...]]")
def bitfield_ro(call: Call, key: bytes, *words: bytes) -> list[int | None]:
    """Read integers of any width at any bit of a string: the part of BITFIELD that replicas may serve.

    Complexity: O(1) for each operation.
    """
    fields = _fields(call, words)
    if any(field.name != b"GET" for field in fields):
        raise CommandError("ERR BITFIELD_RO only supports the GET subcommand")
    return _bitfield(call, key, fields)
