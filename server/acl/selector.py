"""A selector: one set of rules about commands, keys and channels, and what it permits. A user has one and maybe more.

Each rule changes what the ones before it have set up, as ACL SETUSER gives them from left to right:

    +get -set +@read -@dangerous +config|get     commands: their bits in `allowed`
    +select|0                                    one first argument of a command that is not allowed otherwise
    ~app:* %R~shared:* allkeys resetkeys         patterns of keys, with what may be done to them
    &news.* allchannels resetchannels            patterns of channels

`allowed` is one int, bit `Command.number` for each command and subcommand. It is negative when it began with +@all:
then commands to come are allowed, too. `rules` keeps the rules about commands in their order, to be shown.
"""

from collections.abc import Sequence
from functools import cache

from server.registry.command import CATEGORIES, DECLARED, NO_AUTH, Command
from server.registry.keys import ACCESS, DELETE, INSERT, UPDATE, KeyReference
from server.registry.light import NamedTuple
from server.registry.quoting import split_args
from server.structures.glob import match

READ, WRITE = 1, 2
EVERYTHING = -1                    # of `allowed`
_ACCESS = {ACCESS: READ, INSERT: WRITE, DELETE: WRITE, UPDATE: WRITE}
_SIGNS = {READ | WRITE: b"~", READ: b"%R~", WRITE: b"%W~"}
_SPACES = frozenset(b" \t\n\v\f\r\0")

SYNTAX = "Syntax error"
UNKNOWN = "Unknown command or category name in ACL"
FIRST_OF_SUBCOMMAND = "Allowing first-arg of a subcommand is not supported"
_BEHIND_ALL = ("Adding a pattern after the * pattern (or the '{}' flag) is not valid and does not have any effect. Try "
               "'{}' to start with an empty list of {}")


class RuleError(Exception):
    """A rule that is refused; the text is the reason. unknown: it names no command that there is."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.unknown = reason == UNKNOWN


class Denial:
    """Why a command is refused; of several selectors the greatest is told."""

    COMMAND = 1
    KEY = 2
    CHANNEL = 4


class Denied(NamedTuple):
    """What is refused: the command, or the key or channel that argument `at` is."""

    kind: int                          # of Denial
    at: int

    @property
    def reason(self) -> str:
        """As ACL LOG shows it."""
        return {Denial.COMMAND: "command", Denial.KEY: "key", Denial.CHANNEL: "channel"}[self.kind]


def has_spaces(text: bytes) -> bool:
    """Whether there is a blank or a NUL in it, which no name and no pattern may have."""
    return not _SPACES.isdisjoint(text)


@cache
def category_bits(category: str) -> int:
    """The commands of a category as bits; those of a container's are all its subcommands."""
    bits = 0
    for command in DECLARED.values():
        if category in command.categories:
            bits |= bits_of(command)
    return bits


def bits_of(command: Command) -> int:
    """Its own bit, and those of its subcommands."""
    bits = 1 << command.number
    for sub in command.subcommands.values():
        bits |= 1 << sub.number
    return bits


def access_of(reference: KeyReference) -> int:
    """What is done to a key, READ and WRITE."""
    access = 0
    for flag in reference.flags:
        access |= _ACCESS.get(flag, 0)
    return access


class Selector:
    """Begins with nothing allowed, but all channels with acl-pubsub-default allchannels."""

    __slots__ = ("all_channels", "all_keys", "allowed", "channels", "first_words", "patterns", "rules")

    def __init__(self, all_channels: bool) -> None:
        self.allowed = 0
        self.first_words: dict[int, list[bytes]] = {}       # number of a command -> first arguments, in small letters
        self.rules: list[bytes] = []                        # about commands, since the last about all of them
        self.all_keys = False
        self.patterns: dict[bytes, int] = {}                # of keys -> READ and WRITE
        self.all_channels = all_channels
        self.channels: dict[bytes, None] = {}

    def copy(self) -> "Selector":
        """One that can be changed by itself."""
        other = Selector(self.all_channels)
        other.allowed, other.rules = self.allowed, list(self.rules)
        other.first_words = {number: list(words) for number, words in self.first_words.items()}
        other.all_keys, other.patterns, other.channels = self.all_keys, dict(self.patterns), dict(self.channels)
        return other

    # ---- rules
    def apply(self, rule: bytes) -> None:
        """One rule, in any case. Errors: RuleError, and nothing has changed."""
        word = rule.split(b"\0", 1)[0].lower()
        if word in _WHOLE:
            _WHOLE[word](self)
        elif rule[:1] in (b"~", b"%"):
            self._add_keys(rule)
        elif rule[:1] == b"&":
            self._add_channels(rule[1:])
        elif word[:2] in (b"+@", b"-@"):
            self._set_category(word)
        elif word[:1] == b"+":
            self._allow(word[1:].decode("latin-1"))
        elif word[:1] == b"-":
            self._set_command(_known(word[1:].decode("latin-1")), False)
        else:
            raise RuleError(SYNTAX)

    def _set_all_keys(self) -> None:
        self.all_keys, self.patterns = True, {}

    def _reset_keys(self) -> None:
        self.all_keys, self.patterns = False, {}

    def set_all_channels(self) -> None:
        """allchannels."""
        self.all_channels, self.channels = True, {}

    def _reset_channels(self) -> None:
        self.all_channels, self.channels = False, {}

    def _set_all_commands(self) -> None:
        self.allowed, self.rules, self.first_words = EVERYTHING, [], {}

    def _reset_commands(self) -> None:
        self.allowed, self.rules, self.first_words = 0, [], {}

    def _add_keys(self, rule: bytes) -> None:
        """~pattern, %R~pattern, %W~pattern, %RW~pattern."""
        if self.all_keys:
            raise RuleError(_BEHIND_ALL.format("allkeys", "resetkeys", "patterns"))
        pattern, access = rule[1:], READ | WRITE
        if rule[:1] == b"%":
            signs, _, pattern = pattern.partition(b"~")
            signs = signs.upper()
            if signs not in (b"R", b"W", b"RW", b"WR"):
                raise RuleError(SYNTAX)
            access = (READ if b"R" in signs else 0) | (WRITE if b"W" in signs else 0)
        if has_spaces(pattern):
            raise RuleError(SYNTAX)
        self.patterns[pattern] = self.patterns.get(pattern, 0) | access

    def _add_channels(self, pattern: bytes) -> None:
        if self.all_channels:
            raise RuleError(_BEHIND_ALL.format("allchannels", "resetchannels", "channels"))
        if has_spaces(pattern):
            raise RuleError(SYNTAX)
        self.channels[pattern] = None

    def _set_category(self, word: bytes) -> None:
        category = word[2:].decode("latin-1")
        if category not in CATEGORIES:
            raise RuleError(UNKNOWN)
        self._set_bits(category_bits(category), word[:1] == b"+")
        self._note_rule(word)

    def _set_command(self, command: Command, yes: bool) -> None:
        self._set_bits(bits_of(command), yes)
        self._note_rule((b"+" if yes else b"-") + command.name.encode("latin-1"))

    def _set_bits(self, bits: int, yes: bool) -> None:
        self.allowed = self.allowed | bits if yes else self.allowed & ~bits
        for number in [number for number in self.first_words if bits >> number & 1]:
            del self.first_words[number]

    def _allow(self, name: str) -> None:
        """+command, +container|subcommand, +command|first-argument."""
        head, bar, last = name.rpartition("|")
        if not bar:
            self._set_command(_known(name), True)
            return
        command = _known(head)
        if command.parent is not None:
            raise RuleError(FIRST_OF_SUBCOMMAND)
        if not last:
            raise RuleError(SYNTAX)
        if command.subcommands:
            self._set_command(_known(name), True)
            return
        words = self.first_words.setdefault(command.number, [])
        if (word := last.encode("latin-1")) not in words:
            words.append(word)
        self._note_rule(b"+" + name.encode("latin-1"))

    def _note_rule(self, rule: bytes) -> None:
        """The latest rule about a name stands last and alone; one about a command replaces those about its parts."""
        name = rule[1:]
        kept = [old for old in self.rules if old[1:] != name and not old[1:].startswith(name + b"|")]
        self.rules = [*kept, rule]

    # ---- what it permits
    @property
    def unlimited(self) -> bool:
        """Whether it permits everything."""
        return self.allowed == EVERYTHING and self.all_keys and self.all_channels

    def refusal(self, command: Command, argv: Sequence[bytes], keys: Sequence[KeyReference]) -> Denied | None:
        """Why this call is not permitted, None when it is; keys: its references, of no interest with `all_keys`.
        Complexity: O(keys * patterns)."""
        if not self._may_run(command, argv):
            return Denied(Denial.COMMAND, 0)
        if not self.all_keys:
            for reference in keys:
                if not self.may_use(argv[reference.position], access_of(reference)):
                    return Denied(Denial.KEY, reference.position)
        if command.channels is not None and not self.all_channels:
            for at in command.channels.positions(argv):
                if not self.may_hear(argv[at], command.channels.patterns):
                    return Denied(Denial.CHANNEL, at)
        return None

    def _may_run(self, command: Command, argv: Sequence[bytes]) -> bool:
        if self.allowed >> command.number & 1 or command.has(NO_AUTH):
            return True
        words = self.first_words.get(command.number)
        return words is not None and len(argv) > 1 and argv[1].split(b"\0", 1)[0].lower() in words

    def may_use(self, key: bytes, access: int) -> bool:
        """Whether a key may be read and written (bits of `access`; none of them: named)."""
        return self.all_keys or any(
            may & access == access and match(pattern, key) for pattern, may in self.patterns.items()
        )

    def may_use_all_keys(self, access: int) -> bool:
        """The same about whatever keys there are."""
        return self.all_keys or self.patterns.get(b"*", 0) & access == access

    def may_hear(self, channel: bytes, is_pattern: bool) -> bool:
        """Whether a channel may be used; a pattern of channels must stand in the rules as it is."""
        return self.all_channels or hears(self.channels, channel, is_pattern)

    # ---- shown
    def describe_commands(self) -> bytes:
        """The rules that make `allowed` what it is."""
        return b" ".join([b"+@all" if self.allowed < 0 else b"-@all", *self.rules])

    def describe_keys(self) -> bytes:
        """The rules about keys."""
        if self.all_keys:
            return b"~*"
        return b" ".join(_SIGNS[access] + pattern for pattern, access in self.patterns.items())

    def describe_channels(self) -> bytes:
        """The rules about channels."""
        return b"&*" if self.all_channels else b" ".join(b"&" + pattern for pattern in self.channels)

    def describe(self) -> bytes:
        """All rules, as ACL LIST and files have them."""
        channels = b"&*" if self.all_channels else b" ".join([b"resetchannels", *(b"&" + c for c in self.channels)])
        return b" ".join(filter(None, (self.describe_keys(), channels, self.describe_commands())))


_WHOLE = {
    b"allkeys": Selector._set_all_keys,
    b"~*": Selector._set_all_keys,
    b"resetkeys": Selector._reset_keys,
    b"allchannels": Selector.set_all_channels,
    b"&*": Selector.set_all_channels,
    b"resetchannels": Selector._reset_channels,
    b"allcommands": Selector._set_all_commands,
    b"+@all": Selector._set_all_commands,
    b"nocommands": Selector._reset_commands,
    b"-@all": Selector._reset_commands,
}


def _known(name: str) -> Command:
    command = DECLARED.get(name)
    if command is None:
        raise RuleError(UNKNOWN)
    return command


def hears(patterns: dict[bytes, None], channel: bytes, is_pattern: bool) -> bool:
    """Whether patterns of rules cover a channel, or have this very pattern."""
    return channel in patterns if is_pattern else any(match(pattern, channel) for pattern in patterns)


def selector_of(text: bytes, all_channels: bool) -> Selector:
    """The selector of the rules that stand between parentheses; as in Redis none, when quotes do not balance.
    Errors: RuleError."""
    found = Selector(all_channels)
    for word in split_args(text.decode("utf-8", "surrogateescape")) or ():
        found.apply(word.encode("utf-8", "surrogateescape"))
    return found
