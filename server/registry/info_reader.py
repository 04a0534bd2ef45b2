"""All readers of a section of INFO as one function: what is an attribute and nothing else (registry.attribute_path) it
looks up itself, in a tenth of the time that a call from native code takes, and the others it calls from Python."""

from collections.abc import Callable, Iterable

from server.registry.attribute_path import attribute_path
from server.registry.info_writer import HIDDEN
from server.registry.light import Any, NamedTuple
from server.registry.parts import Part

Reader = Callable[..., tuple[Any, ...]]


class Asked(NamedTuple):
    """One value: the part that it is read from, how, and whether it is shown at all (None: always)."""

    part: Part[Any]
    read: Callable[[Any], object]
    shown: Callable[[Any], bool] | None


def read_together(values: Iterable[Asked]) -> tuple[tuple[Part[Any], ...], Reader]:
    """The parts, each once, and a function of them that returns the values in order, HIDDEN for what is not shown. A
    question (`shown`) that is the last one again, about the same part, is not asked."""
    names: dict[str, Any] = {"hidden": HIDDEN}
    parts: dict[Part[Any], str] = {}
    terms = []
    last: tuple[object, object] | None = None
    for number, (part, read, shown) in enumerate(values):
        of = parts.setdefault(part, f"p{len(parts)}")
        names[f"read{number}"], names[f"shown{number}"] = read, shown
        path = attribute_path(read)
        term = ".".join([of, *path]) if path else f"read{number}({of})"
        if shown is not None:
            term += f" if {'shown' if last == (shown, part) else f'(shown := shown{number}({of}))'} else hidden"
            last = shown, part
        terms.append(f"{term}, ")
    reader: Reader = eval(f"lambda {', '.join(parts.values())}: ({''.join(terms)})", names)
    return tuple(parts), reader
