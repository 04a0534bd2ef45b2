from collections.abc import Callable
from typing import Any

AS_PRINTED: int
FOR_PEOPLE: int
HIDDEN: object

class Line:
    """What stands in a section: constant lines (`text`), or a field (its name and the colon), or a family (None) whose value
    is read. digits: behind the point of a number, FOR_PEOPLE of a size; unit: what is written behind it."""

    def __init__(self, text: bytes | None, *, constant: bool = False, digits: int = ..., unit: str = "") -> None: ...

class Page:
    """A section: its lines in order; `read` gets its parts, and returns the values of those that are not constant."""

    def __init__(self, lines: list[Line], parts: tuple[Any, ...], read: Callable[..., tuple[Any, ...]]) -> None: ...

def human(size: float) -> str: ...
def write_sections(pages: list[Page], where: dict[Any, Callable[[], Any]], kept: dict[Any, Any]) -> bytes: ...
