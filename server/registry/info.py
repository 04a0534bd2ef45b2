"""INFO, declared once: a field's section, how it is read, and the Prometheus metric that mirrors it.

    memory = section("memory", "Memory")
    memory.field("used_memory", lambda s: s.memory.used, metric="memory_used_bytes")

`read` gets the server (as its rooms see it: they say of what type their section reads), or what the section's `source`
makes of it once for all its fields. INFO prints the value with
str(), floats must come formatted as Redis formats them. A family yields lines of its own (db0:..., cmdstat_...). A
field whose part is not built shows the value an idle part would show.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

S = TypeVar("S")  # what the fields of a section read


@dataclass(frozen=True)
class InfoField(Generic[S]):
    """One field. metric: the name without the prefix redis_, "" for none; counter: a growing total; scale multiplies
    the value for the metric."""

    name: str
    read: Callable[[S], object]
    metric: str = ""
    counter: bool = False
    scale: float = 1
    shown: Callable[[S], bool] | None = None  # None: always


@dataclass
class Section(Generic[S]):
    """One section. default: part of plain INFO; everything: only INFO everything or by name (all: also INFO all)."""

    name: str
    title: str
    default: bool = True
    in_all: bool = True
    parts: list[InfoField[S] | Callable[[S], Iterable[tuple[str, str]]]] = field(default_factory=list)
    source: Callable[[Any], S] | None = None  # server -> what fields read, if not the server itself

    def field(
        self,
        name: str,
        read: Callable[[S], object] | str | int,
        *,
        metric: str = "",
        counter: bool = False,
        scale: float = 1,
        shown: Callable[[S], bool] | None = None,
    ) -> None:
        """Declare a field; a `read` that is no function is a constant."""
        reader = read if callable(read) else (lambda _: read)
        self.parts.append(InfoField(name, reader, metric, counter, scale, shown))

    def family(self, lines: Callable[[S], Iterable[tuple[str, str]]]) -> Callable[[S], Iterable[tuple[str, str]]]:
        """Declare a family: a function that yields (name, value)."""
        self.parts.append(lines)
        return lines

    def subject(self, server: object) -> S:
        """What the fields' readers get."""
        return self.source(server) if self.source is not None else cast(S, server)

    def lines(self, server: object) -> Iterator[tuple[str, str]]:
        """What INFO prints, in order."""
        subject = self.subject(server)
        for part in self.parts:
            if not isinstance(part, InfoField):
                yield from part(subject)
            elif part.shown is None or part.shown(subject):
                yield part.name, str(part.read(subject))


SECTIONS: dict[str, Section[Any]] = {}
# As Redis prints them; others follow in the order of declaration.
ORDER = ("server", "clients", "memory", "persistence", "stats", "replication", "cpu", "modules", "commandstats",
         "errorstats", "latencystats", "cluster", "keyspace")


def section(
    name: str, title: str, *, default: bool = True, in_all: bool = True, source: Callable[[Any], Any] | None = None
) -> Section[Any]:
    """Declare a section."""
    return SECTIONS.setdefault(name, Section(name, title, default, in_all, source=source))


def chosen(names: Iterable[str]) -> list[Section[Any]]:
    """The sections that INFO's arguments name (lower case): none = default, "default", "all", "everything", or their
    own names; unknown ones are ignored."""
    wanted = list(names) or ["default"]
    picked = {
        "default": lambda s: s.default,
        "all": lambda s: s.default or s.in_all,
        "everything": lambda s: s.default or s.in_all,
    }
    return [s for s in in_order() if any(picked[w](s) if w in picked else w == s.name for w in wanted)]


def in_order() -> list[Section[Any]]:
    """All sections as INFO prints them, whichever module declared its own first."""
    places = {name: place for place, name in enumerate(ORDER)}
    return sorted(SECTIONS.values(), key=lambda section: places.get(section.name, len(ORDER)))


def render(server: object, names: Iterable[str]) -> str:
    """INFO's text."""
    blocks = []
    for part in chosen(names):
        lines = "".join(f"{name}:{value}\r\n" for name, value in part.lines(server))
        blocks.append(f"# {part.title}\r\n{lines}")
    return "\r\n".join(blocks)


def human(size: float) -> str:
    """Bytes as Redis writes them for people: 1.50K, 3.20M."""
    if size < 1024:
        return f"{int(size)}B"
    for unit in ("K", "M", "G", "T", "P"):
        size /= 1024
        if size < 1024 or unit == "P":
            return f"{size:.2f}{unit}"
    return ""
