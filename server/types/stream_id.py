"""Stream IDs as clients write them: `ms-seq`, two unsigned 64-bit numbers; in Python a tuple, which compares alike.

`ms` alone stands for a whole millisecond: what the missing sequence is depends on the place. `-` and `+` are the lowest
and the highest ID, in ranges only; `(id` excludes the ID. `ms-*` and `*` (XADD) have the server choose.
"""

from server.registry import args
from server.registry.errors import CommandError

Id = tuple[int, int]

UINT64_MAX = (1 << 64) - 1
LOWEST: Id = (0, 0)
HIGHEST: Id = (UINT64_MAX, UINT64_MAX)
INVALID = "ERR Invalid stream ID specified as stream command argument"
_LONGEST = 127
_BLANKS = b" \t\n\v\f\r"


def text(id: Id) -> bytes:
    """`ms-seq`."""
    return b"%d-%d" % id


def following(id: Id) -> Id | None:
    """The next ID; None after the highest."""
    ms, seq = id
    if seq < UINT64_MAX:
        return ms, seq + 1
    return (ms + 1, 0) if ms < UINT64_MAX else None


def preceding(id: Id) -> Id | None:
    """The ID before; None before the lowest."""
    ms, seq = id
    if seq:
        return ms, seq - 1
    return (ms - 1, UINT64_MAX) if ms else None


def _number(digits: bytes) -> int | None:
    """An unsigned 64-bit number, as forgiving as strtoull about blanks, signs and zeros in front."""
    if digits.isdigit():
        value = int(digits)
        return value if value <= UINT64_MAX else None
    number = digits.lstrip(_BLANKS)
    sign = number[:1]
    if sign in (b"+", b"-"):
        number = number[1:]
    if not number.isdigit():
        return None
    value = int(number)
    if value > UINT64_MAX:
        return None
    if sign == b"-":
        return None if args.parse_integer(digits) is not None else (1 << 64) - value & UINT64_MAX
    return value


def parse(word: bytes, missing: int = 0) -> Id | None:
    """An ID without special forms; `missing` is the sequence of a bare `ms`. None when it is none."""
    if len(word) > _LONGEST:
        return None
    word = word.split(b"\0", 1)[0]
    first, dash, second = word.partition(b"-")
    ms = _number(first)
    seq = _number(second) if dash else missing
    return None if ms is None or seq is None else (ms, seq)


def read(word: bytes, missing: int = 0) -> Id:
    """The same. Errors: invalid stream ID."""
    found = parse(word, missing)
    if found is None:
        raise CommandError(INVALID)
    return found


def read_any(word: bytes, missing: int = 0) -> Id:
    """The same, with `-` and `+`."""
    if word == b"-":
        return LOWEST
    if word == b"+":
        return HIGHEST
    return read(word, missing)


def read_partial(word: bytes) -> tuple[Id, bool]:
    """For XADD: (ID, True), or for `ms-*` ((ms, 0), False)."""
    if word.endswith(b"-*") and word.count(b"-") == 1:
        return read(word[:-2]), False
    return read(word), True


def range_start(word: bytes) -> Id:
    """The first ID of a range, `(` resolved. Errors: invalid stream ID, no ID behind an excluded one."""
    if word[:1] == b"(" and len(word) > 1:
        start = following(read(word[1:]))
        if start is None:
            raise CommandError("ERR invalid start ID for the interval")
        return start
    return read_any(word)


def range_end(word: bytes) -> Id:
    """The last ID of a range."""
    if word[:1] == b"(" and len(word) > 1:
        end = preceding(read(word[1:], UINT64_MAX))
        if end is None:
            raise CommandError("ERR invalid end ID for the interval")
        return end
    return read_any(word, UINT64_MAX)
