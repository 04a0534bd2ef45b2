"""INFO, declared once: a field's section, how it is read, and the Prometheus metric that mirrors it.

    limits = CLIENTS.of(Limits)             # a room's hand in a section: what is read from one of its parts
    limits.field("recent_peak", lambda limits: limits.peak, metric="recent_peak_bytes")

Every room declares what it owns, in a file of its own (`info.py`), and knows its own parts alone; which part of the
running server answers for a type is told at the start (server.registry.parts, filled by server.about). Sections that
several rooms share name the order of their fields (server.registry.info_sections), so that INFO reads as Redis's
whoever declared what, and in which order. INFO prints a value with str(), a float with the digits that its field says.
A family yields lines of its own (db0:..., cmdstat_...). A field whose part is not built shows the value an idle part
would show.
"""

from bisect import insort
from collections.abc import Callable, Iterable

from server.registry.dataclass import dataclass, field
from server.registry.expressions import expression
from server.registry.info_reader import Asked, Reader, read_together
from server.registry.info_writer import AS_PRINTED, Line, Page, write_sections
from server.registry.later import Later
from server.registry.light import Any, Generic, NamedTuple, TypeVar
from server.registry.number_places import Place, place_of
from server.registry.parts import Part, Parts

S = TypeVar("S")  # the part that a field is read from
Lines = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class InfoField(Generic[S]):
    """One field. metric: the name without the prefix redis_, "" for none; counter: a growing total; scale multiplies
    the value for the metric; constant: `read` says the same as long as the process lives; digits: of a number behind
    the point, or FOR_PEOPLE, of a size (1.50K); unit: what stands behind it; busy: while it says no, `read` need not be
    asked, for it would say `idle`."""

    name: str
    read: Callable[[S], object]
    metric: str = ""
    counter: bool = False
    scale: float = 1
    shown: Callable[[S], bool] | None = None  # None: always
    constant: bool = False
    digits: int = AS_PRINTED
    unit: str = ""
    busy: Callable[[S], object] | None = None  # None: always
    idle: object = 0


class Declared(NamedTuple):
    """A field or a family of a section, and the type of the part that it reads."""

    part: Part[Any]
    what: InfoField[Any] | Callable[[Any], Lines]
    busy: Callable[[Any], object] | None = None  # of a family: while it says no, there are no lines


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
        self._page: Page | None = None

    def of(self, part: Part[S]) -> "Fields[S]":
        """To declare what is read from a part of that type."""
        return Fields(self, part)

    def declare(self, one: Declared) -> None:
        """It gets its place in the order. A name stands once in a section."""
        if isinstance(one.what, InfoField) and one.what.name in self.names():
            raise ValueError(f"{one.what.name} is in INFO {self.name} already")
        insort(self.declared, one, key=self._place)
        self._page = None
        _pages.clear()

    def _place(self, one: Declared) -> int:
        return self._places.get(one.what.name, len(self.order)) if isinstance(one.what, InfoField) else len(self.order)

    def names(self) -> list[str]:
        """Of all fields."""
        return [one.what.name for one in self.declared if isinstance(one.what, InfoField)]

    def page(self) -> Page:
        """What INFO prints: made once, and anew when something was declared."""
        if self._page is None:
            self._page = Page(*self._lines())
        return self._page

    def _lines(self) -> tuple[list[Line], tuple[Part[Any], ...], Reader | None]:
        """The lines, those constants that stand together as one, and how the values of the others are read, but for
        numbers that native parts have in a place of their own."""
        lines: list[Line] = []
        asked: list[Asked] = []
        constants = f"# {self.title}\r\n"
        for part, what, busy in self.declared:
            if isinstance(what, InfoField) and what.constant and what.shown is None:
                constants += f"{what.name}:{what.read(None)}\r\n"
                continue
            lines += _constant(constants)
            constants = ""
            if not isinstance(what, InfoField):
                lines.append(Line(None))
                asked.append(Asked(part, what, busy, ()))
                continue
            place = _place(part, what)
            lines.append(Line(f"{what.name}:".encode(), digits=what.digits, unit=what.unit, part=part, place=place))
            if place is None:
                asked.append(_asked(part, what))
        return lines + _constant(constants), *read_together(asked)


def _constant(lines: str) -> list[Line]:
    return [Line(lines.encode("utf-8", "surrogateescape"), constant=True)] if lines else []


def _place(part: Part[Any], field: InfoField[Any]) -> Place | None:
    """Where its number is."""
    text = expression(field.read, "self") if field.shown is None else None
    return place_of(part, text.replace("self.", "", 1)) if text is not None else None


def _asked(part: Part[Any], field: InfoField[Any]) -> Asked:
    if field.shown is not None:
        return Asked(part, field.read, field.shown)
    return Asked(part, field.read, field.busy, field.idle)


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
        digits: int = AS_PRINTED,
        unit: str = "",
        busy: Callable[[S], object] | None = None,
        idle: object = 0,
    ) -> None:
        """Declare a field; a `read` that is no function is a constant."""
        reader = read if callable(read) else (lambda _: read)
        declared = InfoField(name, reader, metric, counter, scale, shown, not callable(read), digits, unit, busy, idle)
        self._section.declare(Declared(self._part, declared))

    def family(self, lines: Callable[[S], Lines]) -> Callable[[S], Lines]:
        """Declare a family: a function that yields (name, value)."""
        self._section.declare(Declared(self._part, lines))
        return lines

    def family_while(self, busy: Callable[[S], object]) -> Callable[[Callable[[S], Lines]], Callable[[S], Lines]]:
        """The same of one that need not be asked while `busy` says no, for it has no lines then."""

        def declare(lines: Callable[[S], Lines]) -> Callable[[S], Lines]:
            self._section.declare(Declared(self._part, lines, busy))
            return lines

        return declare


SECTIONS: dict[str, Section] = {}  # those that are declared by now
CHOICES_KEPT = 64
WORDS_BYTES = 256
_pages: dict[tuple[bytes, ...], list[Page]] = {}  # by arguments of INFO: monitors ask for the same again and again
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
    wanted = tuple(names) or ("default",)
    return [section for section in in_order() if any(_takes(word, section) for word in wanted)]


def _takes(word: str, section: Section) -> bool:
    """Whether that argument of INFO means this section, among others."""
    if word in ("all", "everything"):
        return section.default or section.in_all
    return section.default if word == "default" else word == section.name


def sections() -> dict[str, Section]:
    """All of them, by name, with all that is declared."""
    declared_later.load()
    return SECTIONS


def in_order() -> list[Section]:
    """All sections as INFO prints them, whichever module declared its own first."""
    places = {name: place for place, name in enumerate(ORDER)}
    return sorted(sections().values(), key=lambda section: places.get(section.name, len(ORDER)))


def pages_of(words: tuple[bytes, ...]) -> list[Page]:
    """The sections that INFO with these arguments prints; they may be in any case."""
    pages = _pages.get(words)
    if pages is None or declared_later:
        names = [word.decode("utf-8", "replace").lower() for word in words]
        pages = [section.page() for section in chosen(names)]
        if sum(map(len, words)) <= WORDS_BYTES:
            if len(_pages) >= CHOICES_KEPT:
                _pages.clear()
            _pages[words] = pages
    return pages


_unmade: list[Section] | None = None  # sections whose page `make_ahead` has still to make; None: it has not begun


def make_ahead() -> bool:
    """Make what the first INFO would, all of which takes 15 ms, a section at a call; whether there is more."""
    global _unmade
    if _unmade is None:
        _unmade = in_order()
    elif _unmade:
        _unmade.pop().page()
    return bool(_unmade)


def render(parts: Parts, words: tuple[bytes, ...]) -> bytes:
    """INFO's text; words: its arguments, in any case."""
    return write_sections(pages_of(words), parts.where, parts.kept)
