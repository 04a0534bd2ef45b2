from collections.abc import Sequence
from typing import Any

class NumberNames:
    """Names of a reply, and what each says of parts of a class: (name, what number_places calls it)."""

    def __init__(self, part: Any, names: Sequence[tuple[bytes, str]]) -> None: ...

class NumbersReply:
    """A map of some numbers, other pairs, and more numbers, of a part that does not change any more."""

    def __init__(self, part: object, first: NumberNames, between: list[tuple[bytes, Any]], last: NumberNames) -> None: ...
