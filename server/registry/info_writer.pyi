from collections.abc import Callable
from typing import Any

from server.registry.number_places import Place

AS_PRINTED: int
FOR_PEOPLE: int
HIDDEN: object

class Line:
    """What stands in a section: constant lines (`text`), or a field (its name and the colon), or a family (None) whose value
    is read. digits: behind the point of a number, FOR_PEOPLE of a size; unit: what is written behind it. place: where the
    number is, in a part of the type `part`."""

    def __init__(self, text: bytes | None, *, constant: bool = False, digits: int = ..., unit: str = "", part: Any = None,
                 place: Place | None = None) -> None: ...

class Page:
    """A section: its lines in order; `read` gets its parts, and returns the values of those lines that are neither constant
    nor a number in its place."""

    def __init__(self, lines: list[Line], parts: tuple[Any, ...],
                 read: Callable[..., tuple[Any, ...]] | None = None) -> None: ...

def human(size: float) -> str: ...
def write_sections(pages: list[Page], where: dict[Any, Callable[[], Any]], kept: dict[Any, Any]) -> bytes: ...
