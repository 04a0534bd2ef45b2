"""The Python-visible face of values that are in no database."""
from typing import TypeVar

T = TypeVar("T", bound="Value")

class Value: ...

def loose(kind: type[T]) -> T: ...
