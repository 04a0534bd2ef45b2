"""All readers of a section of INFO as one function: what can be said in its own text (registry.expressions) it does
itself, in a tenth of the time that a call from native code takes, and the others it calls from Python."""

from collections.abc import Callable, Iterable

from server.registry.expressions import expression
from server.registry.info_writer import HIDDEN
from server.registry.light import Any, NamedTuple
from server.registry.parts import Part

Reader = Callable[..., tuple[Any, ...]]


class Asked(NamedTuple):
    """One value: the part that it is read from, how, and in which case; it is `otherwise` in others."""

    part: Part[Any]
    read: Callable[[Any], object]
    when: Callable[[Any], object] | None = None  # None: always
    otherwise: object = HIDDEN


def read_together(values: Iterable[Asked]) -> tuple[tuple[Part[Any], ...], Reader | None]:
    """The parts, each once, and a function of them that returns the values in order; None: there are none to be read.
    A question (`when`) that several have about the same part is asked once."""
    names: dict[str, Any] = {}
    parts: dict[Part[Any], str] = {}
    questions: dict[tuple[object, object], str] = {}
    terms = []
    for number, (part, read, when, otherwise) in enumerate(values):
        of = parts.setdefault(part, f"p{len(parts)}")
        term = _said(read, of, f"read{number}", names)
        if when is not None:
            answer = questions.get((when, part))
            if answer is None:
                answer = questions[when, part] = f"when{number}"
                answer = f"({answer} := {_said(when, of, f'asked{number}', names)})"
            names[f"otherwise{number}"] = otherwise
            term = f"{term} if {answer} else otherwise{number}"
        terms.append(f"{term}, ")
    if not terms:
        return (), None
    reader: Reader = eval(f"lambda {', '.join(parts.values())}: ({''.join(terms)})", names)
    return tuple(parts), reader


def _said(read: Callable[[Any], object], of: str, name: str, names: dict[str, Any]) -> str:
    """The text that reads it, from the part called `of`."""
    text = expression(read, of)
    if text is None:
        names[name] = read
        return f"{name}({of})"
    return text
