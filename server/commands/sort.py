"""SORT and SORT_RO: the elements of a list, set or sorted set in another order, and values looked up by them.

BY sorts by values of other keys, GET replies with such values: in a pattern the first * stands for the element, and
what follows -> names a field of a hash. BY a pattern without * does not sort: lists and sorted sets then keep their own
order, which DESC turns round; a set is sorted by its bytes if the result is stored or a script asks, so that replicas
agree, and otherwise comes as it is.
"""

from collections.abc import Callable, Sequence

from server.acl.selector import READ
from server.clients.client import SCRIPT
from server.dispatch.call import Call
from server.registry import args
from server.registry.command import DENYOOM, READONLY, WRITE, group
from server.registry.dataclass import dataclass, field
from server.registry.errors import CommandError, syntax, wrong_type
from server.registry.keys import ACCESS, OW, RO, UPDATE, KeyReference, keys, spec
from server.registry.light import Any
from server.structures.number_order import in_order
from server.types.list import TAIL, List
from server.types.value import loose

command = group("generic")

NO_SCORE = "ERR One or more scores can't be converted into double"
_CATEGORIES = ("-keyspace", "set", "sortedset", "list", "dangerous")
_BLANKS = b" \t\n\v\f\r"
_BYTEWISE = ("C", "POSIX", "C.UTF-8", "C.utf8")     # locales that compare bytes


# ---- options
@dataclass
class _Options:
    descending: bool = False
    alpha: bool = False
    offset: int = 0
    count: int = -1                 # negative: all
    by: bytes | None = None
    get: list[bytes] = field(default_factory=list)
    store: bytes | None = None

    @property
    def keeps_order(self) -> bool:
        """BY a constant."""
        return self.by is not None and b"*" not in self.by

    def bounds(self, length: int) -> tuple[int, int]:
        """LIMIT as a slice of so many elements."""
        start = max(self.offset, 0)
        return start, length if self.count < 0 else min(start + self.count, length)


def _options(call: Call, words: tuple[bytes, ...], *, may_store: bool) -> _Options:
    """Errors: syntax, not an integer, BY or GET denied."""
    found = _Options()
    rest = list(words)
    while rest:
        name = rest.pop(0).upper()
        if name in (b"ASC", b"DESC"):
            found.descending = name == b"DESC"
        elif name == b"ALPHA":
            found.alpha = True
        elif name == b"LIMIT" and len(rest) > 1:
            found.offset, found.count = args.integer(rest.pop(0)), args.integer(rest.pop(0))
        elif name == b"STORE" and may_store and rest:
            found.store = rest.pop(0)
        elif name == b"BY" and rest:
            found.by = rest.pop(0)
            if not found.keeps_order:
                _check_foreign_keys(call, "BY")
        elif name == b"GET" and rest:
            _check_foreign_keys(call, "GET")
            found.get.append(rest.pop(0))
        else:
            raise syntax()
    return found


def _check_foreign_keys(call: Call, option: str) -> None:
    """Keys that are made up while sorting can be neither routed nor checked one by one."""
    if call.config.cluster_enabled:
        raise CommandError(f"ERR {option} option of SORT denied in Cluster mode.")
    user = call.client.user
    if user is not None and not user.may_use_all_keys(call.command, call.argv, READ):
        raise CommandError(f"ERR {option} option of SORT denied due to insufficient ACL permissions.")


# ---- looking up
def _lookup(call: Call, pattern: bytes) -> Callable[[bytes], bytes | None]:
    """What finds the value that a pattern names for an element; None without one."""
    if pattern == b"#":
        return lambda element: element
    before, star, after = pattern.partition(b"*")
    if not star:
        return lambda element: None
    db = call.db
    middle, arrow, name = after.partition(b"->")
    if not arrow or not name:
        return lambda element: db.get_if_string(before + element + after)

    def of_hash(element: bytes) -> bytes | None:
        key = before + element + middle
        return db.view(key).get(name) if db.type_of(key, touch=True) == "hash" else None

    return of_hash


def _score(text: bytes) -> float:
    """A number as strtod reads it; nothing is 0. Errors: not a number."""
    if len(text) < 300 and (text.isdigit() or (text[:1] == b"-" and text[1:].isdigit())):
        return float(text)
    text = text.split(b"\0", 1)[0].lstrip(_BLANKS)
    value = args.parse_float(text) if text else 0.0
    if value is None:
        raise CommandError(NO_SCORE)
    return value


# ---- order
def _collation(stored: bool) -> Callable[[bytes], Any]:
    """How ALPHA compares: as the locale says, but by bytes if the result is stored, so that replicas agree."""
    import locale

    if stored or locale.setlocale(locale.LC_COLLATE) in _BYTEWISE:
        return lambda text: text
    return lambda text: locale.strxfrm(text.split(b"\0", 1)[0].decode("utf-8", "surrogateescape"))


def _by_score(call: Call, options: _Options, found: list[bytes]) -> list[bytes]:
    """Elements by their numbers, equal ones by their bytes."""
    texts = found
    if options.by is not None:
        lookup = _lookup(call, options.by)
        texts = [lookup(element) or b"" for element in found]
    return in_order(found, texts, _score, options.descending)


def _rank(call: Call, options: _Options) -> Callable[[bytes], Any]:
    """What ALPHA compares of an element."""
    by = options.by
    collation = _collation(options.store is not None)
    if by is None:
        return collation

    lookup = _lookup(call, by)

    def rank(element: bytes) -> tuple[bool, Any]:
        value = lookup(element)
        return (value is not None, collation(value or b""))

    return rank


def _elements(call: Call, key: bytes, options: _Options) -> list[bytes]:
    """What is to be replied with, in order and limited, before GET. Errors: WRONGTYPE, not a number."""
    kind = call.db.type_of(key, touch=True)
    if kind not in ("list", "set", "zset", None):
        raise wrong_type()
    if kind is None:
        return []
    view = call.db.view(key)
    found: list[bytes]
    if kind == "zset":
        found = [member for member, score in view.items()]
    else:
        found = view.members() if kind == "set" else view.items()
    bounds = options.bounds(len(found))
    if options.keeps_order and kind == "set" and (options.store is not None or call.client.has(SCRIPT)):
        options.by, options.alpha = None, True
    if not options.keeps_order and not options.alpha:
        found = _by_score(call, options, found)
    elif not options.keeps_order:
        found.sort(key=_rank(call, options), reverse=options.descending)
    elif options.descending and kind != "set":
        found.reverse()
    return found[slice(*bounds)]


def _sort(call: Call, key: bytes, options: _Options) -> list[bytes | None]:
    found = _elements(call, key, options)
    if not options.get:
        return list(found)
    lookups = [_lookup(call, pattern) for pattern in options.get]
    return [lookup(element) for element in found for lookup in lookups]


def _store(call: Call, target: bytes, values: Sequence[bytes | None]) -> None:
    """The result as a list; an empty one deletes the target."""
    if not values:
        if call.db.delete(target):
            call.deleted(target)
        return
    result = loose(List)
    result.push([value or b"" for value in values], TAIL)
    result.settle()
    call.db.store(target, result)
    call.changed(target, "sortstore", by=len(values))


# ---- commands
_KEY = spec(RO, ACCESS)
_PATTERNS = spec(RO, ACCESS, begin=("unknown",), find=("unknown",),
                 notes="For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the "
                       "content of the key we sort")
_TARGET = spec(OW, UPDATE, begin=("unknown",), find=("unknown",),
               notes="For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere "
                     "in the argument array")
_SYNTAX = "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]"
_SKIP = {b"LIMIT": 2, b"GET": 1, b"BY": 1}


def _sort_keys(argv: Sequence[bytes]) -> list[KeyReference]:
    """The sorted key, and that of the last STORE."""
    stored: list[KeyReference] = []
    at = 2
    while at < len(argv):
        name = argv[at].upper()
        if name == b"STORE" and at + 1 < len(argv):
            stored = [KeyReference(at + 1, (OW, UPDATE))]
        at += 1 + _SKIP.get(name, 0)
    return [KeyReference(1, (RO, ACCESS)), *stored]


def _sort_ro_keys(argv: Sequence[bytes]) -> list[KeyReference]:
    return [KeyReference(1, (RO, ACCESS))]


@command("SORT", arity=-2, flags=WRITE | DENYOOM, keys=keys(_KEY, _PATTERNS, _TARGET, reader=_sort_keys), since="1.0.0",
         acl=_CATEGORIES, syntax=_SYNTAX + " [STORE destination]")
def sort(call: Call, key: bytes, *words: bytes) -> list[bytes | None] | int:
    """Return the elements of a list, set or sorted set in order, or store them as a list.

    They are compared as numbers, or as text with ALPHA. BY sorts by values looked up for the elements, GET replies with
    such values (# is the element itself), once for each GET; LIMIT replies with part. With STORE the reply is the
    length of the list.

    Complexity: O(N+M*log(M)) where N is the number of elements to sort and M that of elements replied; O(N) when they
    are not sorted.
    """
    options = _options(call, words, may_store=True)
    values = _sort(call, key, options)
    if options.store is None:
        return values
    _store(call, options.store, values)
    return len(values)


@command("SORT_RO", arity=-2, flags=READONLY, keys=keys(_KEY, _PATTERNS, reader=_sort_ro_keys), since="7.0.0",
         acl=_CATEGORIES, syntax=_SYNTAX)
def sort_ro(call: Call, key: bytes, *words: bytes) -> list[bytes | None]:
    """Return the elements of a list, set or sorted set in order: SORT without STORE, which replicas may serve.

    Complexity: O(N+M*log(M)) where N is the number of elements to sort and M that of elements replied; O(N) when they
    are not sorted.
    """
    return _sort(call, key, _options(call, words, may_store=False))
