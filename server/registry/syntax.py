"""The argument grammar: from `key value [NX | XX] [EX seconds]` to the tree that COMMAND DOCS shows.

A declaration says its arguments once, as one line in the notation of the commands' reference:

    key                  a value the user gives         NX             a word written as it is (capitals, or = ~ * "")
    [x]                  may be left out                a | b          one of several; <a | b> where one must be given
    EX seconds           a word and its value           x [x ...]      as many as wanted

`arguments(command)` reads it into `Argument`s. Names of choices and blocks, which the notation does not have, come from
small tables; types (integer, pattern ...) follow from an argument's name, "key" from the command's key specifications.
"""

from collections.abc import Iterator, Sequence
from functools import cache

from server.registry.dataclass import dataclass, field
from server.registry.keys import NOT_KEY
from server.registry.light import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.registry.command import Command

_SIGNS = str.maketrans({sign: f" {sign} " for sign in "[]<>|"})
_SYMBOLS = {"=": "equal", "~": "approximately", "*": "auto-id", '""': "empty-string", "$": "new-id"}
_WORD_NAMES = {"INCR": "increment", "CH": "change", "ALPHA": "sorting", **_SYMBOLS}

# What a choice is called, by the first words of its alternatives.
_CHOICES = {
    "NX XX": "condition",
    "NX XX GT LT": "condition",
    "GT LT": "comparison",
    "EX PX EXAT PXAT KEEPTTL": "expiration",
    "EX PX EXAT PXAT PERSIST": "expiration",
    "ASC DESC": "order",
    "ASYNC SYNC": "flush-type",
    "ON OFF": "status",
    "ON OFF SKIP": "action",
    "BEFORE AFTER": "where",
    "FORCE TAKEOVER": "options",
    "HARD SOFT": "reset-type",
    "IMPORTING MIGRATING NODE STABLE": "subcommand",
    "count RESET": "operation",
    "host NO": "args",
    "MIN MAX": "where",
    "M KM FT MI": "unit",
    "BYTE BIT": "unit",
    "BYSCORE BYLEX": "sortby",
    "FROMMEMBER FROMLONLAT": "from",
    "BYRADIUS BYBOX": "by",
    "MAXLEN MINID": "strategy",
    "= ~": "operator",
    "* id": "id-selector",
    "TIMEOUT ERROR": "unblock-type",
    "WRITE ALL": "mode",
    "NOSAVE SAVE": "save-selector",
    "YES NO": "enabled",
    "AND OR XOR NOT": "operation",
    "LIB-NAME LIB-VER": "attr",
    "AUTH AUTH2": "authentication",
    'key ""': "key-selector",
    "id $": "id-selector",
    "FLUSH APPEND REPLACE": "policy",
    "LEFT RIGHT": "where",
    "STORE STOREDIST": "store",
    "YES SYNC NO": "mode",
}
# What a block is called, by the names in it.
_BLOCKS = {
    "start end": "range",
    "host port": "host-port",
    "no one": "no-one",
    "start end unit": "range",
    "count any": "count-block",
    "strategy operator threshold count": "trim",
    "count withvalues": "options",
    "end unit": "end-unit-block",
    "start end-unit-block": "range",
    "min-idle-time start end count consumer": "filters",
    "count withscores": "options",
    "radius unit": "circle",
    "width height unit": "box",
    "protover auth clientname": "arguments",
}

_INTEGER = frozenset(
    (
        "count",
        "seconds",
        "milliseconds",
        "offset",
        "index",
        "ttl",
        "numkeys",
        "timeout",
        "cursor",
        "db",
        "destination-db",
        "decrement",
        "min-match-len",
        "protover",
        "client-id",
        "bit",
        "port",
        "numreplicas",
        "numlocal",
        "index1",
        "index2",
        "rank",
        "num-matches",
        "len",
        "start-slot",
        "end-slot",
        "slot",
        "config-epoch",
        "frequency",
        "weight",
        "limit",
        "ms",
        "entriesread",
        "entries-read",
        "entries-added",
        "version",
    )
)
_DOUBLE = frozenset(("score", "longitude", "latitude", "radius", "width", "height"))
_TYPES = {"pattern": "pattern", "unix-time-seconds": "unix-time", "unix-time-milliseconds": "unix-time"}
# The same name means different types in different commands.
_BY_COMMAND = {
    ("acl|genpass", "bits"): "integer",
    ("cluster|meet", "cluster-bus-port"): "integer",
    ("incrbyfloat", "increment"): "double",
    ("hincrbyfloat", "increment"): "double",
    ("incrby", "increment"): "integer",
    ("hincrby", "increment"): "integer",
    ("zincrby", "increment"): "integer",
    ("zcount", "min"): "double",
    ("zcount", "max"): "double",
    ("zremrangebyscore", "min"): "double",
    ("zremrangebyscore", "max"): "double",
    ("zrangebyscore", "min"): "double",
    ("zrangebyscore", "max"): "double",
    ("zrevrangebyscore", "min"): "double",
    ("zrevrangebyscore", "max"): "double",
    ("setbit", "value"): "integer",
    ("blpop", "timeout"): "double",
    ("brpop", "timeout"): "double",
    ("blmove", "timeout"): "double",
    ("blmpop", "timeout"): "double",
    ("brpoplpush", "timeout"): "double",
    ("bzpopmin", "timeout"): "double",
    ("bzpopmax", "timeout"): "double",
    ("bzmpop", "timeout"): "double",
    ("wait", "timeout"): "integer",
    ("xpending", "min-idle-time"): "integer",
}
_INTEGER_RANGES = frozenset(
    ("getrange", "substr", "lrange", "ltrim", "zremrangebyrank", "zrevrange", "bitcount", "bitpos")
)


@dataclass
class Argument:
    """One argument of COMMAND DOCS. token: the word before the value, or the word itself for a pure-token."""

    name: str
    type: str = "string"
    token: str | None = None
    key_spec_index: int | None = None
    optional: bool = False
    multiple: bool = False
    multiple_token: bool = False
    arguments: list["Argument"] = field(default_factory=list)
    display: str = ""                  # what a hint shows in place of the name; "": the name

    @property
    def flags(self) -> list[str]:
        """The flags, as COMMAND DOCS names them."""
        return [name for name in ("optional", "multiple", "multiple_token") if getattr(self, name)]


@dataclass
class Group:
    """[a | b] or <a | b>: alternatives, each a sequence of words and groups."""

    optional: bool
    alternatives: list[list[Any]]

    @property
    def repeats(self) -> bool:
        return len(self.alternatives) == 1 and self.alternatives[0][-1:] == ["..."]


# ---- reading
def parse(text: str) -> list[Any]:
    """What a declaration is made of: words and names (str), and Groups. Errors: ValueError."""
    lexemes = text.translate(_SIGNS).split()
    if any(lexemes.count(opening) != lexemes.count(closing) for opening, closing in ("[]", "<>")):
        raise ValueError(f"unbalanced syntax: {text}")
    sequence, _ = _alternatives(lexemes, 0, None)
    return sequence[0] if len(sequence) == 1 else [Group(False, sequence)]


def _alternatives(lexemes: Sequence[str], at: int, closing: str | None) -> tuple[list[list[Any]], int]:
    found: list[list[Any]] = [[]]
    while at < len(lexemes) and lexemes[at] != closing:
        lexeme = lexemes[at]
        if lexeme in "[<":
            inner, at = _alternatives(lexemes, at + 1, "]" if lexeme == "[" else ">")
            found[-1].append(Group(lexeme == "[", inner))
        elif lexeme == "|":
            found.append([])
        else:
            found[-1].append(lexeme)
        at += 1
    return found, at


def is_token(node: Any) -> bool:
    """Whether it is a word that is written as it is, rather than the name of a value."""
    return isinstance(node, str) and (node in _SYMBOLS or (node.upper() == node and node.lower() != node))


# ---- building
def _build(sequence: Sequence[Any]) -> list[Argument]:
    built: list[Argument] = []
    at = 0
    while at < len(sequence):
        node = sequence[at]
        at += 1
        if isinstance(node, Group):
            if node.repeats:
                _repeat(built, _build(node.alternatives[0][:-1]))
            else:
                built.append(_choose(node))
        elif is_token(node):
            taken = _belonging(sequence, at)
            built += _with_token(node, sequence[at : at + taken])
            at += taken
            if built[-1].type == "block" and at < len(sequence) and _is_required(sequence[at]):
                built[-1:] = _opened(built[-1])
        elif node != "...":
            built.append(Argument(node))
    return built


def _belonging(sequence: Sequence[Any], at: int) -> int:
    """How many nodes after a word are its value: plain names and their repetition, or one choice."""
    start = at
    while at < len(sequence):
        node = sequence[at]
        if isinstance(node, Group):
            if node.repeats and not is_token(node.alternatives[0][0]):
                at += 1
                continue
            return at - start or int(not node.optional)
        if is_token(node):
            break
        at += 1
    return at - start


def _with_token(token: str, value: Sequence[Any]) -> list[Argument]:
    arguments = _build(value)
    if not arguments:
        return [Argument(_WORD_NAMES.get(token, token.lower()), "pure-token", token)]
    if len(arguments) == 1:
        arguments[0].token = token
        if arguments[0].type == "oneof":
            arguments[0].name = token.lower()
        return arguments
    return [Argument(token.lower(), "block", token, arguments=arguments)]


def _is_required(node: Any) -> bool:
    return isinstance(node, Group) and not node.optional and not node.repeats


def _opened(block: Argument) -> list[Argument]:
    """`BYBOX width height <M | KM>`: the word belongs to the first of several values, not to a block of them."""
    block.arguments[0].token = block.token
    return block.arguments


def _repeat(built: list[Argument], repeated: list[Argument]) -> None:
    """Mark what stands before `[x ...]` as multiple."""
    count = len(repeated)
    if count > 1:
        built[-count:] = [Argument("data", "block", arguments=built[-count:])]
    built[-1].multiple = True
    built[-1].multiple_token = repeated[0].token is not None and repeated[0].type != "pure-token"


def _single(arguments: list[Argument]) -> Argument:
    if len(arguments) == 1:
        return arguments[0]
    names = " ".join(argument.name for argument in arguments)
    return Argument(_BLOCKS.get(names, arguments[0].name + "-block"), "block", arguments=arguments)


def _choose(group: Group) -> Argument:
    alternatives = [_single(_build(sequence)) for sequence in group.alternatives if sequence]
    if len(alternatives) == 1:
        chosen = alternatives[0]
    else:
        words = " ".join(str(sequence[0]) for sequence in group.alternatives if sequence)
        chosen = Argument(_CHOICES.get(words, alternatives[0].name), "oneof", arguments=alternatives)
    chosen.optional = chosen.optional or group.optional
    return chosen


# What commands call an argument that is called otherwise elsewhere.
_NAMES = {
    ("bitfield_ro", "get"): "get-block",
    ("xgroup|setid", "entries-read"): "entriesread",
    ("client|list", "type"): "client-type",
    ("client|kill", "type"): "client-type",
    ("client|no-evict", "status"): "enabled",
    ("client|no-touch", "status"): "enabled",
    ("client|caching", "enabled"): "mode",
    ("cluster|addslotsrange", "data"): "range",
    ("cluster|delslotsrange", "data"): "range",
    ("module|loadex", "config"): "configs",
}


# SORT's keys that its specifications leave open: name, type, specification.
_SORT_PLACES = {
    "BY": ("by-pattern", "pattern", 1),
    "GET": ("get-pattern", "pattern", 1),
    "STORE": ("destination", "key", 2),
}


def _rename(found: list[Argument], command: "Command") -> None:
    directions = [argument for argument in found if argument.name == "where"]
    if len(directions) == 2:
        directions[0].name, directions[1].name = "wherefrom", "whereto"
    for argument in _every(found):
        shown = argument.name
        argument.name = _NAMES.get((command.name, argument.name), argument.name)
        if command.name == "xgroup|setid" and argument.name != shown:
            argument.display = shown
        if command.name in ("sort", "sort_ro") and argument.token in _SORT_PLACES:
            argument.name, argument.type, argument.key_spec_index = _SORT_PLACES[argument.token]
            argument.display = shown
        if command.name == "xreadgroup" and argument.token == "GROUP":
            argument.name = "group-block"
        if command.name == "cluster|setslot" and argument.token not in (None, "STABLE"):
            argument.name, argument.display = argument.token.lower(), shown
        if command.name == "migrate" and argument.token in ("AUTH", "KEYS"):
            argument.name, argument.display = argument.token.lower(), shown
        if argument.token in ("STORE", "STOREDIST") and argument.name == "key":
            argument.name, argument.display = argument.token.lower() + "key", shown


# ---- types and keys
def _set_types(arguments: Sequence[Argument], command: str) -> None:
    for argument in arguments:
        if argument.arguments:
            _set_types(argument.arguments, command)
        elif argument.type == "string":
            argument.type = _type_of(argument.name, command)


def _type_of(name: str, command: str) -> str:
    if chosen := _BY_COMMAND.get((command, name)) or _TYPES.get(name):
        return chosen
    if name in ("start", "end", "stop") and command in _INTEGER_RANGES:
        return "integer"
    return "integer" if name in _INTEGER else "double" if name in _DOUBLE else "string"


def _positions(arguments: Sequence[Argument], at: int) -> Iterator[tuple[int, Argument]]:
    """(index in argv, argument) as far as it is the same in every call."""
    for argument in arguments:
        if argument.optional and not argument.multiple:
            return
        if argument.type == "block":
            inner = list(_positions(argument.arguments, at + (argument.token is not None)))
            yield from inner
            at = inner[-1][0] + 1 if inner else at
        else:
            at += argument.token is not None and argument.type != "pure-token"
            yield at, argument
            at += 1
        if argument.multiple:
            return


def _every(arguments: Sequence[Argument]) -> Iterator[Argument]:
    for argument in arguments:
        yield argument
        yield from _every(argument.arguments)


def _is_key(argument: Argument, index: int) -> None:
    if argument.type in ("oneof", "block"):
        _is_key(next(inner for inner in argument.arguments if inner.type != "pure-token"), index)
    elif argument.type != "pure-token":
        argument.type, argument.key_spec_index = "key", index


def _set_keys(arguments: list[Argument], command: "Command") -> None:
    places = dict(_positions(arguments, 2 if command.parent is not None else 1))
    for index, spec in enumerate(command.keys.specs):
        if NOT_KEY in spec.flags:
            continue
        if spec.begin[0] == "keyword":
            for argument in _every(arguments):
                if argument.token == spec.begin[1]:
                    _is_key(argument, index)
            continue
        if spec.begin[0] != "index" or spec.find[0] == "unknown":
            continue
        first = spec.begin[1] + (spec.find[2] if spec.find[0] == "keynum" else 0)
        last = first + max(0, spec.find[1]) if spec.find[0] == "range" else first
        for at in range(first, last + 1, max(1, spec.find[2] if spec.find[0] == "range" else 1)):
            if at in places:
                _is_key(places[at], index)


@cache
def arguments(command: "Command") -> list[Argument]:
    """The arguments of a registry Command, in order. Complexity: O(length of its syntax), once."""
    found = _build(parse(command.syntax))
    _rename(found, command)
    _set_types(found, command.name)
    _set_keys(found, command)
    return found
