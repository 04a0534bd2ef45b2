"""COMMAND: what the server's commands are, read from their declarations."""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache

from server.dispatch.call import Call
from server.registry.command import (
    CATEGORIES,
    COMMANDS,
    LOADING,
    NO_MANDATORY_KEYS,
    SENTINEL,
    STALE,
    Command,
    every_command,
    find,
    group,
)
from server.registry.errors import CommandError, named, syntax
from server.registry.key_flags import flags_shown, wire_of_flags
from server.registry.keys import NOT_KEY, KeySpec
from server.registry.light import Any
from server.registry.reply import Encoded, Pairs, SetOf, Several
from server.registry.reply_writer import encode_reply
from server.registry.syntax import Argument, arguments
from server.structures.glob import match

command = group("server")
_FLAGS = LOADING | STALE | SENTINEL
_ORDER = ("nondeterministic_output_order",)
_FLAG_ORDER = ("write", "readonly", "denyoom", "module", "admin", "pubsub", "noscript", "blocking", "loading", "stale",
               "skip_monitor", "skip_slowlog", "asking", "fast", "no_auth", "no_mandatory_keys", "no_async_loading",
               "no_multi", "movablekeys", "allow_busy")
AHEAD_MS = 60 * 1000               # after the start: a server of a moment does not do it for nobody


# ---- encoded once
@cache
def _wire(describe: Callable[[Any], Any], described: Any, resp: int) -> bytes:
    """What is said about a command, for a protocol: it never changes, and clients ask for it whenever they connect."""
    return encode_reply(describe(described), resp)


def _array(describe: Callable[[Any], Any], chosen: Collection[Command | None], resp: int) -> Encoded:
    return Encoded(b"*%d\r\n" % len(chosen) + b"".join([_wire(describe, each, resp) for each in chosen]))


# ---- COMMAND and COMMAND INFO
def _statuses(names: Iterable[str]) -> SetOf:
    return SetOf(list(names))


@cache
def _places(spec: KeySpec) -> Pairs:
    """A key specification as a map."""
    begin = {"index": ("index",), "keyword": ("keyword", "startfrom"), "unknown": ()}[spec.begin[0]]
    search = {"range": ("lastkey", "keystep", "limit"), "keynum": ("keynumidx", "firstkey", "keystep"),
              "unknown": ()}[spec.find[0]]
    pairs: list[tuple[bytes, Any]] = [(b"notes", spec.notes.encode())] if spec.notes else []
    pairs += [(b"flags", flags_shown(spec.flags)),
              (b"begin_search", _typed(spec.begin[0], begin, spec.begin[1:])),
              (b"find_keys", _typed(spec.find[0], search, spec.find[1:]))]
    return Pairs(pairs)


def _typed(kind: str, names: Sequence[str], values: Sequence[Any]) -> Pairs:
    shown = [(name.encode(), value.encode() if isinstance(value, str) else value)
             for name, value in zip(names, values, strict=True)]
    return Pairs([(b"type", kind.encode()), (b"spec", Pairs(shown))])


def _info(found: Command | None) -> list[Any] | None:
    if found is None:
        return None
    return [found.name.encode(), found.arity, _statuses(name for name in _FLAG_ORDER if name in found.flag_names),
            *found.keys.legacy_range, _statuses(f"@{category}" for category in found.categories),
            SetOf([tip.encode() for tip in found.tips]), SetOf([_places(spec) for spec in found.keys.specs]),
            [_info(sub) for sub in found.subcommands.values()]]


def _named(word: bytes) -> Command | None:
    """The command that "get" or "config|get" names."""
    head, bar, sub = word.decode("utf-8", "replace").lower().partition("|")
    found = COMMANDS.get(head)
    return found.subcommands.get(sub) if found is not None and bar else found


@command("COMMAND", arity=-1, flags=_FLAGS, since="2.8.13", acl=("connection",), tips=_ORDER)
def command_(call: Call, *words: bytes) -> Encoded:
    """Describe all commands, as COMMAND INFO does.

    Complexity: O(N) where N is the number of commands
    """
    if words:
        raise named(b"ERR unknown subcommand '%s'. Try COMMAND HELP.", words[0][:128])
    return _array(_info, COMMANDS.values(), call.client.resp)


@command("COMMAND|INFO", arity=-2, flags=_FLAGS, since="2.8.13", acl=("connection",), tips=_ORDER,
         syntax="[command-name [command-name ...]]", history=(("7.0.0", "Without names: all commands."),))
def command_info(call: Call, *names: bytes) -> Encoded:
    """Describe commands: arity, flags, where keys are, ACL categories, tips, key specifications and subcommands.

    A name that no command has gives null. Subcommands are named like config|get.

    Complexity: O(N) where N is the number of commands to look up
    """
    chosen = [_named(name) for name in names] if names else COMMANDS.values()
    return _array(_info, chosen, call.client.resp)


@command("COMMAND|COUNT", arity=2, flags=_FLAGS, since="2.8.13", acl=("connection",))
def command_count(call: Call) -> int:
    """Return how many commands there are, without subcommands.

    Complexity: O(1)
    """
    return len(COMMANDS)


@command("COMMAND|LIST", arity=-2, flags=_FLAGS, since="7.0.0", acl=("connection",), tips=_ORDER,
         syntax="[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]")
def command_list(call: Call, *words: bytes) -> list[bytes] | Encoded:
    """List the names of commands and subcommands: all, those of an ACL category, or those that match a pattern.

    Complexity: O(N) where N is the number of commands
    """
    if not words:
        return _names()
    if len(words) != 3 or words[0].upper() != b"FILTERBY":
        raise syntax()
    kind, wanted = words[1].upper(), words[2].lower()
    if kind == b"ACLCAT":
        return _names_in(wanted) if wanted.decode("utf-8", "replace") in CATEGORIES else []
    if kind == b"PATTERN":
        return [each.name.encode() for each in every_command() if match(wanted, each.name.encode())]
    if kind == b"MODULE":
        return []
    raise syntax()


@cache
def _names() -> Encoded:
    return Encoded(encode_reply([each.name.encode() for each in every_command()], 2))


@cache
def _names_in(category: bytes) -> Encoded:
    """Of an ACL category, of which there are few."""
    return Encoded(encode_reply([each.name.encode() for each in every_command()
                                 if category.decode() in each.categories], 2))


# ---- COMMAND DOCS
def _argument(argument: Argument) -> Pairs:
    pairs: list[tuple[bytes, Any]] = [(b"name", argument.name.encode()), (b"type", argument.type.encode())]
    if argument.type not in ("oneof", "block"):
        pairs.append((b"display_text", (argument.display or argument.name).encode()))
    if argument.key_spec_index is not None:
        pairs.append((b"key_spec_index", argument.key_spec_index))
    if argument.token is not None:
        pairs.append((b"token", b"" if argument.token == '""' else argument.token.encode()))
    if argument.flags:
        pairs.append((b"flags", _statuses(argument.flags)))
    if argument.arguments:
        pairs.append((b"arguments", [_argument(inner) for inner in argument.arguments]))
    return Pairs(pairs)


def _docs(found: Command) -> Pairs:
    pairs: list[tuple[bytes, Any]] = [(b"summary", found.summary.encode()), (b"since", found.since.encode()),
                                      (b"group", found.group.replace("_", "-").encode())]
    if found.complexity:
        pairs.append((b"complexity", found.complexity.encode()))
    if found.deprecated or found.system:
        pairs.append((b"doc_flags", _statuses(["deprecated"] * bool(found.deprecated) + ["syscmd"] * found.system)))
    if found.deprecated:
        pairs += [(b"deprecated_since", found.deprecated[0].encode()), (b"replaced_by", found.deprecated[1].encode())]
    if found.history:
        pairs.append((b"history", SetOf([[since.encode(), text.encode()] for since, text in found.history])))
    if found.syntax:
        pairs.append((b"arguments", [_argument(argument) for argument in arguments(found)]))
    if found.subcommands:
        pairs.append((b"subcommands", Pairs([(sub.name.encode(), _docs(sub)) for sub in found.subcommands.values()])))
    return Pairs(pairs)


DOCS_KEPT, DOCS_BYTES = 128, 4096      # replies to one name, for a shell asks again with each command that is typed ...
_docs_kept: dict[tuple[tuple[bytes, ...], int], Encoded] = {}      # ... by that, and protocol


def _entry(found: Command) -> Several:
    """What the map of COMMAND DOCS has of it: its name, and the docs."""
    return Several([found.name.encode(), _docs(found)])


@command("COMMAND|DOCS", arity=-2, flags=_FLAGS, since="7.0.0", acl=("connection",), tips=_ORDER,
         syntax="[command-name [command-name ...]]")
def command_docs(call: Call, *names: bytes) -> Encoded:
    """Document commands: summary, since, group, complexity, history and the tree of arguments; all without names.

    Complexity: O(N) where N is the number of commands to look up
    """
    resp = call.client.resp
    kept = _docs_kept.get((names, resp))
    if kept is not None:
        return kept
    chosen = list(filter(None, map(_named, names)) if names else COMMANDS.values())
    header = b"%%%d\r\n" % len(chosen) if resp == 3 else b"*%d\r\n" % (2 * len(chosen))
    reply = Encoded(header + b"".join([_wire(_entry, each, resp) for each in chosen]))
    if len(names) == len(chosen) == 1 and len(reply.wire) <= DOCS_BYTES:       # of what is no command, there may be any
        if len(_docs_kept) >= DOCS_KEPT:
            _docs_kept.clear()
        _docs_kept[names, resp] = reply
    return reply


# ---- ahead
_waiting: list[tuple[Callable[[Any], Any], Any, int]] | None = None


def encode_ahead() -> bool:
    """Encode what all would be told, a command at a call, for all at once takes 20 ms; whether there is more."""
    global _waiting
    if _waiting is None:
        _waiting = [(describe, each, resp) for resp in (3, 2) for describe in (_entry, _info)
                    for each in COMMANDS.values()]
    if _waiting:
        _wire(*_waiting.pop())
    return bool(_waiting)


# ---- keys of a call
def _keys_of(words: tuple[bytes, ...]) -> list[Any]:
    """(key, flags) of every key in the words of a command. Errors: as Redis's getKeysSubcommandImpl."""
    found = find(words)
    if found is None or (found.function is None and found.parent is None):
        raise CommandError("ERR Invalid command specified")
    if found.keys.reader is None and all(NOT_KEY in spec.flags for spec in found.keys.specs):
        raise CommandError("ERR The command has no key arguments")
    if not found.arity_fits(len(words)):
        raise CommandError("ERR Invalid number of arguments specified for command")
    references = found.keys.references(words)
    if not references:
        if found.has(NO_MANDATORY_KEYS):
            return []
        raise CommandError("ERR Invalid arguments specified for command")
    return [(words[reference.position], reference.flags) for reference in references]


@command("COMMAND|GETKEYS", arity=-3, flags=_FLAGS, since="2.8.13", acl=("connection",),
         syntax="command [arg [arg ...]]")
def command_getkeys(call: Call, *words: bytes) -> list[bytes]:
    """Return the keys that a whole command would work on.

    Complexity: O(N) where N is the number of arguments of the command
    """
    return [key for key, _ in _keys_of(words)]


@command("COMMAND|GETKEYSANDFLAGS", arity=-3, flags=_FLAGS, since="7.0.0", acl=("connection",),
         syntax="command [arg [arg ...]]")
def command_getkeysandflags(call: Call, *words: bytes) -> list[list[Any]]:
    """Return the keys that a whole command would work on, each with what would be done with it.

    Complexity: O(N) where N is the number of arguments of the command
    """
    resp = call.client.resp
    return [[key, Encoded(wire_of_flags(flags, resp))] for key, flags in _keys_of(words)]


@command("COMMAND|HELP", arity=2, flags=_FLAGS, since="5.0.0", acl=("connection",))
def command_help(call: Call) -> list[str]:
    """List the subcommands.

    Complexity: O(1)
    """
    return [
        "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "(no subcommand)",
        "    Describe all commands.",
        "COUNT",
        "    Show how many commands there are.",
        "LIST [FILTERBY <MODULE <name>|ACLCAT <category>|PATTERN <pattern>>]",
        "    List the names of commands and subcommands.",
        "INFO [<command-name> ...]",
        "    Describe commands (default: all).",
        "DOCS [<command-name> ...]",
        "    Document commands (default: all).",
        "GETKEYS <full-command>",
        "    Show the keys in a command.",
        "GETKEYSANDFLAGS <full-command>",
        "    Show the keys in a command, and what it would do with them.",
        "HELP",
        "    Print this help.",
    ]
