"""Where the keys of a command (and its channels) stand among its arguments: Redis's key specifications, and reading
keys by them.

A specification says how to find the first key (a fixed index, or after a keyword) and how to go on (a range with a
step, or a count given by an argument). COMMAND INFO shows them; COMMAND GETKEYS, ACL and cluster read keys by it.
"""

from collections.abc import Callable, Sequence

from server.registry.args import parse_integer
from server.registry.dataclass import dataclass, field
from server.registry.light import Any, NamedTuple

# What a command does with a key, then with the value behind it: the words of COMMAND's reply.
RO, RW, OW, RM = "RO", "RW", "OW", "RM"
ACCESS, INSERT, DELETE, UPDATE = "access", "insert", "delete", "update"
NOT_KEY, INCOMPLETE, VARIABLE_FLAGS = "not_key", "incomplete", "variable_flags"
OPTIONS = 3  # where options may begin that say whether a key is read
LONG_MAX = (1 << 63) - 1


class KeyReference(NamedTuple):
    """One key of one call: its index in argv and the flags of its specification."""

    position: int
    flags: tuple[str, ...]


@dataclass(frozen=True)
class KeySpec:
    """One specification.

    begin: ("index", position), ("keyword", word, start_from) or ("unknown",).
    find: ("range", last_key, step, limit), ("keynum", key_number_index, first_key, step) or ("unknown",);
    positions in `find` are relative to the first key.
    """

    flags: tuple[str, ...]
    begin: tuple[Any, ...] = ("index", 1)
    find: tuple[Any, ...] = ("range", 0, 1, 0)
    notes: str = ""

    def positions(self, argv: Sequence[bytes]) -> range | None:
        """The indexes of the keys in argv; empty when the part is absent, None when it cannot be told or is invalid."""
        first = self._first(argv)
        if first is None:
            return None
        if first < 0:
            return range(0)
        if self.find[0] == "range":
            _, last, step, limit = self.find
            if last >= 0:
                end = first + last
            elif limit == 0:
                end = len(argv) + last
            else:
                end = first + (len(argv) - first) // limit + last
        elif self.find[0] == "keynum":
            _, index, key, step = self.find
            count = parse_integer(argv[first + index]) if first + index < len(argv) else None
            if count is None or count < 0 or (count := as_int(count)) <= 0:
                return None
            first, end = first + key, first + key + (count - 1) * step
        else:
            return None
        return range(first, end + 1, step) if first <= end < len(argv) else None

    def _first(self, argv: Sequence[bytes]) -> int | None:
        if self.begin[0] == "index":
            return int(self.begin[1])
        if self.begin[0] != "keyword":
            return None
        word, start = self.begin[1].encode().upper(), self.begin[2]
        step = 1 if start > 0 else -1
        at = start if start > 0 else len(argv) + start
        end = len(argv) if start > 0 else 0
        while at != end:
            if argv[at].upper() == word:
                return at + 1 if at + 1 < len(argv) else -1
            at += step
        return -1


@dataclass(frozen=True)
class Keys:
    """All specifications of a command, and for the few that need it a function that reads argv itself.

    reads_with: the option without which the command's only key is written and not read (SET's GET).
    """

    specs: tuple[KeySpec, ...] = ()
    reader: Callable[[Sequence[bytes]], list[KeyReference] | None] | None = field(default=None, compare=False)
    reads_with: bytes = b""

    @property
    def movable(self) -> bool:
        """True when first/last/step cannot describe the keys (the `movablekeys` flag). A reader does not count."""
        last = 0
        for s in self.specs:
            if s.begin[0] != "index" or s.find[0] != "range" or INCOMPLETE in s.flags:
                return True
            if len(self.specs) > 1 and (s.find[2] != 1 or (last and s.begin[1] != last + 1)):
                return True
            last = s.find[1] if s.find[1] < 0 else s.begin[1] + s.find[1]
        return False

    @property
    def legacy_range(self) -> tuple[int, int, int]:
        """(first, last, step) as COMMAND INFO's three numbers."""
        first, last, step = 0, 0, 0
        for spec in self.specs:
            if spec.begin[0] != "index" or spec.find[0] != "range":
                continue
            start, (_, end, stride, limit) = spec.begin[1], spec.find
            if first and (start != last + 1 or stride != step or limit):
                continue
            last = end if end < 0 else start + end
            if not first:
                first, step = start, stride
            if limit:
                break
        return first, last, step

    def references(self, argv: Sequence[bytes]) -> list[KeyReference] | None:
        """Every key of this call; None when the arguments are invalid for it."""
        if self.reader is not None:
            return self.reader(argv)
        if self.reads_with:
            reads = any(word.upper() == self.reads_with for word in argv[OPTIONS:])
            return [KeyReference(1, (RW, ACCESS, UPDATE) if reads else (OW, UPDATE))]
        found: list[KeyReference] = []
        for spec in self.specs:
            positions = spec.positions(argv)
            if positions is None:
                if spec.find[0] == "unknown" or spec.begin[0] == "unknown":
                    continue
                return found_loosely(argv, found, spec) if spec.find[0] == "keynum" else None
            if NOT_KEY not in spec.flags:
                found += [KeyReference(at, spec.flags) for at in positions]
        return found


def found_loosely(argv: Sequence[bytes], others: Sequence[KeyReference], spec: KeySpec) -> list[KeyReference] | None:
    """The keys of words whose count is no proper integer, as Redis finds them then: the count is what C's atoi reads,
    the counted keys come first, and of none is said what would be done with it. None: there are none."""
    _, index, key, step = spec.find
    first = spec.begin[1] + key
    count = atoi(argv[first - key + index]) if first - key + index < len(argv) else 0
    if count < 1 or count > (len(argv) - first) // step:
        return None
    counted = range(first, first + count * step, step)
    return [KeyReference(at, ()) for at in (*counted, *(one.position for one in others))]


def atoi(word: bytes) -> int:
    """What C's atoi makes of a word: the digits that it begins with, in 32 bits; 0 without any."""
    text = word.lstrip(b" \t\n\v\f\r")
    digits = text[1:] if text[:1] in (b"+", b"-") else text
    digits = digits[:len(digits) - len(digits.lstrip(b"0123456789"))].lstrip(b"0")
    value = int(digits[:20] or b"0")                        # more digits are beyond a C long, as twenty are
    return as_int(max(-value, -LONG_MAX - 1) if text[:1] == b"-" else min(value, LONG_MAX))


def as_int(value: int) -> int:
    """What is left of a number in a C int, as which Redis counts keys."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


@dataclass(frozen=True)
class Channels:
    """The channels of a call: arguments `first` to `last` (-1: to the end), as names, or as patterns of names."""

    first: int = 1
    last: int = -1
    patterns: bool = False

    def positions(self, argv: Sequence[bytes]) -> range:
        """Their indexes in argv."""
        return range(self.first, len(argv) if self.last < 0 else min(self.last + 1, len(argv)))


NO_KEYS = Keys()


def spec(
    *flags: str, begin: int | tuple[Any, ...] = 1, find: tuple[Any, ...] = ("range", 0, 1, 0), notes: str = ""
) -> KeySpec:
    """A specification; an int `begin` is an index."""
    return KeySpec(flags, ("index", begin) if isinstance(begin, int) else begin, find, notes)


def keys(*specs: KeySpec, reader: Callable[[Sequence[bytes]], list[KeyReference] | None] | None = None,
         reads_with: bytes = b"") -> Keys:
    """Several specifications; reader: finds the keys by itself, None where the arguments are invalid; reads_with: see
    Keys."""
    return Keys(specs, reader, reads_with)


def one_key(*flags: str, at: int = 1) -> Keys:
    """One key at a fixed place."""
    return Keys((spec(*flags, begin=at),))


def every_key(*flags: str, at: int = 1, last: int = -1, step: int = 1) -> Keys:
    """Keys from `at` to `last` (negative: from the end), every `step` arguments."""
    return Keys((spec(*flags, begin=at, find=("range", last, step, 0)),))


def counted_keys(*flags: str, at: int = 1) -> Keys:
    """`numkeys key [key ...]` with numkeys at index `at`."""
    return Keys((spec(*flags, begin=at, find=("keynum", 0, 1, 1)),))
