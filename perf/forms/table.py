"""The table of forms: what forms.txt says, as objects. Its notation is explained at its head."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TABLE = Path(__file__).with_name("forms.txt")
UNLIMITED = 10**9
KEY_BASE, MILLION_BASE = 100_000, 1_000_000  # the lowest number of a key: numbers have one width, no leading zeros
FLAGS = {"p1", "resp3", "fresh", "keep", "connect", "fails"}
OPTIONS = {"keys", "members", "conns", "limit", "on", "sinks", "profile", "waiter", "idle"}


class BadTable(Exception):
    """A line that the notation does not know."""


@dataclass(frozen=True)
class Form:
    """A line: what one client repeats, `commands`, after the `setup` lines ("N x COMMAND") were played."""

    name: str
    group: str
    commands: tuple[str, ...]
    setup: tuple[str, ...]
    flags: frozenset[str]
    keys: int = 10_000
    members: int = 1000
    connections: int = 20
    limit: int = UNLIMITED  # requests a slice, at most
    profile: str = "plain"
    on: tuple[str, ...] = ()  # what each connection says first
    sinks: tuple[int, str] = (0, "")  # so many connections that listen after this command
    waiter: str = ""  # others wait with this command, for each request
    idle: int = 0  # connections beside

    @property
    def base(self) -> int:
        return base_of(self.keys)


@dataclass
class Table:
    forms: list[Form] = field(default_factory=list)
    profiles: dict[str, str] = field(default_factory=dict)  # arguments of both servers
    scripts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """A form at one depth, in one protocol: what a figure is of."""

    form: Form
    pipeline: int
    protocol: int

    @property
    def name(self) -> str:
        depth = f" P={self.pipeline}" if self.pipeline != 16 else ""
        return self.form.name + depth + (" RESP3" if self.protocol == 3 else "")


def cells(forms: list[Form], pipelines: list[int], protocol: int) -> Iterator[Cell]:
    """Every form at the depths asked for; without any, at 16 and as its flags say. protocol: 0 as the flags say."""
    for form in forms:
        if pipelines:
            yield from (Cell(form, pipeline, protocol or 2) for pipeline in pipelines)
            continue
        yield Cell(form, 16, protocol or 2)
        if "p1" in form.flags:
            yield Cell(form, 1, protocol or 2)
        if "resp3" in form.flags and not protocol:
            yield Cell(form, 16, 3)


def read(path: Path = TABLE) -> Table:
    """BadTable names the line that is wrong."""
    reader = Reader()
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            try:
                reader.line(line)
            except ValueError as error:
                raise BadTable(f"{path.name}:{number}: {error}") from error
    return reader.table


class Reader:
    """What earlier lines mean for the next one."""

    def __init__(self) -> None:
        self.table = Table()
        self.group, self.shared = "", ""
        self.setup: list[str] = []
        self.setup_ended = True  # a set-up line begins a new set-up

    def line(self, text: str) -> None:
        if text.startswith("["):
            found = re.fullmatch(r"\[(.*?)((?: (?:\w+=\S|keep\b).*)?)\]", text)
            if not found:
                raise ValueError("a group is [name options]")
            self.group, self.shared = found[1], found[2]
            self.setup_ended = True
        elif text.startswith("setup: "):
            said = text.removeprefix("setup: ")
            self.setup = ([] if self.setup_ended else self.setup) + [said] * (said != "none")
            self.setup_ended = False
        else:
            self.named(text)

    def named(self, text: str) -> None:
        """A profile, a script or a form."""
        name, bar, rest = text.partition(" |")
        if not bar:
            raise ValueError("no ' | ' behind the name")
        kind, _, label = name.partition(" ")
        if kind == "profile":
            self.table.profiles[label.strip()] = rest.strip()
        elif kind == "script":
            self.table.scripts[label.strip()] = rest.strip().replace("\\n", "\n")
        else:
            self.form(name.strip(), rest)

    def form(self, name: str, rest: str) -> None:
        commands, _, options = rest.strip().partition(" | ")
        if any(known.name == name for known in self.table.forms):
            raise ValueError(f"two forms are called {name!r}")
        form = made(name, self.group, commands.strip(), tuple(self.setup), f"{self.shared} {options}")
        if form.profile not in self.table.profiles:
            raise ValueError(f"no profile is called {form.profile!r}")
        self.table.forms.append(form)
        self.setup_ended = True


def made(name: str, group: str, commands: str, setup: tuple[str, ...], options: str) -> Form:
    """ValueError for an option that nobody knows."""
    words = shlex.split(options)
    flags = frozenset(word for word in words if "=" not in word)
    said = dict(word.split("=", 1) for word in words if "=" in word)
    if unknown := (flags - FLAGS) | (set(said) - OPTIONS):
        raise ValueError(f"what is {', '.join(sorted(unknown))}?")
    count, _, listen = said.get("sinks", "0 ").partition(" ")
    keys = int(said.get("keys", 10_000))
    return Form(
        name, group, tuple(part.strip() for part in repeat(commands, base_of(keys)).split(";;")), setup, flags,
        keys=keys, members=int(said.get("members", 1000)), connections=int(said.get("conns", 20)),
        limit=int(said.get("limit", UNLIMITED)), profile=said.get("profile", "plain"),
        on=tuple(said["on"].split(" ;; ")) if "on" in said else (), sinks=(int(count), listen),
        waiter=said.get("waiter", ""), idle=int(said.get("idle", 0)),
    )  # fmt: skip


def base_of(keys: int) -> int:
    """The lowest number, when there are so many keys."""
    return MILLION_BASE if keys >= MILLION_BASE else KEY_BASE


def repeat(text: str, base: int) -> str:
    """Write out {10 words}; __#__ counts from `base`."""

    def written(found: re.Match[str]) -> str:
        return " ".join(found[2].replace("__#__", str(base + number)) for number in range(int(found[1])))

    return re.sub(r"\{(\d+) ([^{}]*)\}", written, text)
