"""A command, declared once: name, arity, flags, keys, group, since, and the function that is its definition.

COMMAND, COMMAND DOCS, ACL categories, the gates and the dispatch table are all read from here. The summary is the first
paragraph of the function's docstring, the complexity its `Complexity:` paragraph.

    command = group("hash")

    @command("HSET", arity=-4, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, UPDATE), since="2.0.0",
             syntax="key field value [field value ...]")
    def hset(call, key, *field_values): ...

A subcommand is declared as "CONFIG|GET"; its container with `container(...)`. The function is called with the Call and
the arguments behind the name (behind the subcommand's name), after the arity was checked.

`COMMANDS` has what clients may call, after rename-command; `DECLARED` has all by the names that they were declared
with, which is what rules of ACL speak of.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property

from server.registry.dataclass import dataclass, field
from server.registry.keys import NO_KEYS, Channels, Keys
from server.registry.light import Any, Protocol, TypeVar
from server.registry.option_words import OptionWords

Definition = TypeVar("Definition", bound=Callable[..., Any])  # a command's function


# The flags of Redis 7.2's command table, whole numbers: each `|` of an enum takes two microseconds, and a start has
# thousands. COMMAND INFO prints their names in lower case.
CommandFlag = int
FLAG_NAMES = (
    "write", "readonly", "denyoom", "module", "admin", "pubsub", "noscript", "blocking", "loading", "stale",
    "skip_monitor", "skip_slowlog", "asking", "fast", "no_auth", "may_replicate", "no_async_loading", "no_multi",
    "no_mandatory_keys", "allow_busy",
)  # fmt: skip
(
    WRITE,
    READONLY,
    DENYOOM,
    MODULE,
    ADMIN,
    PUBSUB,
    NOSCRIPT,
    BLOCKING,
    LOADING,
    STALE,
    SKIP_MONITOR,
    SKIP_SLOWLOG,
    ASKING,
    FAST,
    NO_AUTH,
    MAY_REPLICATE,
    NO_ASYNC_LOADING,
    NO_MULTI,
    NO_MANDATORY_KEYS,
    ALLOW_BUSY,
) = (1 << bit for bit in range(len(FLAG_NAMES)))
# Those that are not shown.
SENTINEL = 1 << 20  # also served in sentinel mode
PROTECTED = 1 << 21  # needs enable-debug-command / enable-module-command
TOUCHES_ARBITRARY_KEYS = 1 << 22  # what expires on the way is propagated outside a transaction
NONE = 0

GROUP_CATEGORY = {
    "string": "string",
    "list": "list",
    "set": "set",
    "sorted_set": "sortedset",
    "hash": "hash",
    "bitmap": "bitmap",
    "hyperloglog": "hyperloglog",
    "geo": "geo",
    "stream": "stream",
    "generic": "keyspace",
    "connection": "connection",
    "transactions": "transaction",
    "scripting": "scripting",
}
FLAG_CATEGORIES = {
    "write": ("write",),
    "readonly": ("read",),
    "admin": ("admin", "dangerous"),
    "pubsub": ("pubsub",),
    "blocking": ("blocking",),
    "fast": ("fast",),
}
# The order in which ACL CAT and COMMAND INFO list categories.
CATEGORIES = (
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
)


@dataclass(eq=False)
class Command:
    """One declaration. `name` is lower case; a subcommand's is "config|get"."""

    name: str
    function: Callable[..., Any] | None
    arity: int
    group: str
    flags: CommandFlag = NONE
    keys: Keys = NO_KEYS
    channels: Channels | None = None  # of Pub/Sub, as far as a user must have a right to them
    since: str = "1.0.0"
    syntax: str = ""
    acl: tuple[str, ...] = ()
    tips: tuple[str, ...] = ()
    told: tuple[str, str] = ("", "")  # summary and complexity, where the docstring does not say them
    history: tuple[tuple[str, str], ...] = ()
    deprecated: tuple[str, str] | None = None  # (since, replaced by)
    system: bool = False  # doc flag "syscmd"
    parent: "Command | None" = None
    number: int = -1  # counted from 0 in the order of declaration: a bit of a user's permissions
    subcommands: dict[str, "Command"] = field(default_factory=dict)
    gates: tuple[Callable[[Any], None], ...] = ()  # filled by dispatch.gates
    gated: bool = False  # likewise: whether one of them fires although no condition says so
    record: Any = None  # filled by dispatch: the native record with the statistics

    def arity_fits(self, count: int) -> bool:
        """Whether `count` arguments, all names included, are allowed."""
        return count == self.arity if self.arity >= 0 else count >= -self.arity

    def has(self, flag: CommandFlag) -> bool:
        """Whether any of these flags is set."""
        return self.flags & flag != 0

    @cached_property
    def option_words(self) -> OptionWords:
        """The words among its arguments."""
        return OptionWords(self.syntax)

    @cached_property
    def categories(self) -> list[str]:
        """ACL categories in the field's order: those of the group and those that follow from the flags."""
        own = set(self.acl)
        if category := GROUP_CATEGORY.get(self.group):
            own.add(category)
        flags = self.flag_names
        for flag in flags:
            own.update(FLAG_CATEGORIES.get(flag, ()))
        if "fast" not in flags:
            own.add("slow")
        if self.group == "scripting":
            own.discard("read")
        own -= {category[1:] for category in own if category.startswith("-")} | {c for c in own if c.startswith("-")}
        return [category for category in CATEGORIES if category in own]

    @property
    def summary(self) -> str:
        """What it does, one or two sentences."""
        return self.told[0] or _summary_and_complexity(self.function)[0]

    @property
    def complexity(self) -> str:
        """What it costs; "" where nobody said."""
        return self.told[1] or _summary_and_complexity(self.function)[1]

    @cached_property
    def flag_names(self) -> list[str]:
        """The names COMMAND INFO prints, `movablekeys` included."""
        names = [name for bit, name in enumerate(FLAG_NAMES) if self.flags >> bit & 1]
        return names + (["movablekeys"] if self.keys.movable else [])


COMMANDS: dict[str, Command] = {}  # top-level commands by lower-case name
DECLARED: dict[str, Command] = {}  # the same and subcommands ("config|get"), whatever rename-command says


def _summary_and_complexity(function: Callable[..., Any] | None) -> tuple[str, str]:
    import re  # here, for COMMAND DOCS alone needs it

    doc = "\n".join(line.strip() for line in (function.__doc__ or "").splitlines()) if function else ""
    summary = doc.split("\n\n", 1)[0].replace("\n", " ").strip()
    found = re.search(r"^Complexity:\s*(.+?)(?:\n\n|\n[A-Z][a-z]+:|\Z)", doc, re.S | re.M)
    return summary, found.group(1).replace("\n", " ").strip() if found else ""


def _register(command: Command) -> Command:
    head, _, sub = command.name.partition("|")
    if sub:
        command.parent = DECLARED[head]
        table = command.parent.subcommands
    else:
        table = COMMANDS
    if (sub or head) in table:
        raise ValueError(f"command {command.name} is declared twice")
    table[sub or head] = command
    command.number = len(DECLARED)
    DECLARED[command.name] = command
    return command


class Declare(Protocol):
    """What declares a command: a decorator of its function, which stays as it is."""

    def __call__(self, title: str, *, arity: int, **declared: Any) -> Callable[[Definition], Definition]: ...


def group(name: str) -> Declare:
    """The decorator for the commands of one group of COMMAND DOCS."""

    def command(title: str, *, arity: int, **declared: Any) -> Callable[[Definition], Definition]:
        def declare(function: Definition) -> Definition:
            _register(Command(title.lower(), function, arity, name, **declared))
            return function

        return declare

    return command


def container(title: str, group: str, summary: str, *, since: str = "1.0.0", **declared: Any) -> Command:
    """A command that only has subcommands (arity -2)."""
    told = summary, declared.pop("complexity", "Depends on subcommand.")
    return _register(Command(title.lower(), None, declared.pop("arity", -2), group, since=since, told=told, **declared))


def every_command() -> Iterator[Command]:
    """All commands and subcommands."""
    for command in COMMANDS.values():
        yield command
        yield from command.subcommands.values()


def find(argv: Sequence[bytes]) -> Command | None:
    """The command (or subcommand) that these arguments name; None when there is none."""
    command = COMMANDS.get(argv[0].decode("latin-1").lower())
    if command is None or not command.subcommands:
        return command
    if len(argv) < 2:
        return command
    return command.subcommands.get(argv[1].decode("latin-1").lower()) or (command if command.function else None)


def keep(flag: CommandFlag) -> None:
    """Take away every command, and subcommand, without that flag: what a mode of its own does not serve."""
    for table in (COMMANDS, *(command.subcommands for command in COMMANDS.values())):
        for name in [name for name, command in table.items() if not command.has(flag)]:
            del table[name]


def redefine(name: str, function: Callable[..., Any]) -> None:
    """A command that does something else in such a mode."""
    COMMANDS[name].function = function


def rename(old: str, new: str) -> None:
    """`rename-command old new`: an empty new name removes the command. KeyError / ValueError say why not."""
    command = COMMANDS.pop(old.lower())
    if not new:
        return
    if new.lower() in COMMANDS:
        COMMANDS[old.lower()] = command
        raise ValueError("Target command name already exists")
    COMMANDS[new.lower()] = command


class Renaming(Protocol):
    """A line `rename-command old new` (server.config.reader)."""

    @property
    def words(self) -> Sequence[str]: ...
    def error(self, reason: str) -> Exception:
        """What the line deserves."""


def rename_all(statements: Iterable[Renaming]) -> None:
    """Every rename-command of the configuration. Errors: that of the first one that cannot be."""
    for statement in statements:
        try:
            rename(statement.words[1], statement.words[2])
        except KeyError:
            raise statement.error("No such command in rename-command") from None
        except ValueError as error:
            raise statement.error(str(error)) from None
