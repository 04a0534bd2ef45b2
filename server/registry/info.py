"""INFO, declared once: a field's section, how it is read, and the Prometheus metric that mirrors it.

    limits = CLIENTS.of(Limits)             # a room's hand in a section: what is read from one of its parts
    limits.field("recent_peak", lambda limits: limits.peak, metric="recent_peak_bytes")

Every room declares what it owns, in a file of its own (`info.py`), and knows its own parts alone; which part of the
running server answers for a type is told at the start (server.registry.parts, filled by server.about). Sections that
several rooms share name the order of their fields (server.registry.info_sections), so that INFO reads as Redis's
whoever declared what, and in which order. INFO prints a value with str(), floats must come formatted as Redis formats
them. A family yields lines of its own (db0:..., cmdstat_...). A field whose part is not built shows the value an idle
part would show.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from server.registry.dataclass import dataclass, field
from server.registry.later import Later
from server.registry.parts import Part, Parts, Reading

S = TypeVar("S")  # the part that a field is read from
Lines = Iterable[tuple[str, str]]


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


class Declared(NamedTuple):
    """A field or a family of a section, and the type of the part that it reads."""

    part: Part[Any]
    what: InfoField[Any] | Callable[[Any], Lines]


@dataclass
class Section:
    """One section. default: part of plain INFO; everything: only INFO everything or by name (all: also INFO all)."""

    name: str
    title: str
    default: bool = True
    in_all: bool = True
    order: tuple[str, ...] = ()  # of fields; others, and families, stand behind in the order of declaration
    declared: list[Declared] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._places = {name: place for place, name in enumerate(self.order)}

    def of(self, part: Part[S]) -> "Fields[S]":
        """To declare what is read from a part of that type."""
        return Fields(self, part)

    def declare(self, one: Declared) -> None:
        """It gets its place in the order. A name stands once in a section."""
        if isinstance(one.what, InfoField) and one.what.name in self.names():
            raise ValueError(f"{one.what.name} is in INFO {self.name} already")
        insort(self.declared, one, key=self._place)

    def _place(self, one: Declared) -> int:
        return self._places.get(one.what.name, len(self.order)) if isinstance(one.what, InfoField) else len(self.order)

    def names(self) -> list[str]:
        """Of all fields."""
        return [one.what.name for one in self.declared if isinstance(one.what, InfoField)]

    def lines(self, reading: Reading) -> Iterator[tuple[str, str]]:
        """What INFO prints, in order. reading: of the server's parts."""
        last: object = None
        for part, what in self.declared:
            if part is not last:                       # a look-up for each field is what INFO would spend most on
                subject, last = reading[part], part
            if not isinstance(what, InfoField):
                yield from what(subject)
            elif what.shown is None or what.shown(subject):
                yield what.name, str(what.read(subject))


class Fields(Generic[S]):
    """What one section tells of one part."""

    def __init__(self, section: Section, part: Part[S]) -> None:
        self._section = section
        self._part = part

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
        self._section.declare(Declared(self._part, InfoField(name, reader, metric, counter, scale, shown)))

    def family(self, lines: Callable[[S], Lines]) -> Callable[[S], Lines]:
        """Declare a family: a function that yields (name, value)."""
        self._section.declare(Declared(self._part, lines))
        return lines


SECTIONS: dict[str, Section] = {}  # those that are declared by now
declared_later = Later()
# As Redis prints them, then ours; others follow in the order of declaration.
ORDER = ("server", "clients", "memory", "persistence", "stats", "replication", "cpu", "modules", "commandstats",
         "errorstats", "latencystats", "cluster", "keyspace", "keysizes", "load", "iothreads")


def section(name: str, title: str, *, default: bool = True, in_all: bool = True, order: str = "") -> Section:
    """Declare a section. order: names of fields, between spaces."""
    if name in SECTIONS:
        raise ValueError(f"INFO {name} is declared already")
    SECTIONS[name] = made = Section(name, title, default, in_all, tuple(order.split()))
    return made


def chosen(names: Iterable[str]) -> list[Section]:
    """The sections that INFO's arguments name (lower case): none = default, "default", "all", "everything", or their
    own names; unknown ones are ignored."""
    wanted = list(names) or ["default"]
    picked = {
        "default": lambda s: s.default,
        "all": lambda s: s.default or s.in_all,
        "everything": lambda s: s.default or s.in_all,
    }
    return [s for s in in_order() if any(picked[w](s) if w in picked else w == s.name for w in wanted)]


def sections() -> dict[str, Section]:
    """All of them, by name, with all that is declared."""
    declared_later.load()
    return SECTIONS


def in_order() -> list[Section]:
    """All sections as INFO prints them, whichever module declared its own first."""
    places = {name: place for place, name in enumerate(ORDER)}
    return sorted(sections().values(), key=lambda section: places.get(section.name, len(ORDER)))


def render(parts: Parts, names: Iterable[str]) -> str:
    """INFO's text."""
    blocks, reading = [], parts.reading()
    for part in chosen(names):
        lines = "".join(f"{name}:{value}\r\n" for name, value in part.lines(reading))
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
