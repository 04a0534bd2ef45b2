from collections.abc import Callable
from typing import Any

AS_PRINTED: int
FOR_PEOPLE: int

class Step:
    """What stands in a section, in order: constants (`text` is their lines), a field (`text` is its name and the colon;
    `read`, and `shown` or None), or a family (`read`, without `text`). path: the attributes that `read` follows, when it
    does nothing else; digits: behind the point of a number, FOR_PEOPLE of a size; unit: what is written behind it."""

    def __init__(self, text: bytes | None, part: Any = None, read: Callable[[Any], object] | None = None,
                 shown: Callable[[Any], bool] | None = None, path: tuple[str, ...] | None = None,
                 digits: int = ..., unit: str = ...) -> None: ...

def human(size: float) -> str: ...
def write_sections(sections: list[list[Step]], where: dict[Any, Callable[[], Any]]) -> bytes: ...
