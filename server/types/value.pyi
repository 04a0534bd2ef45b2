"""The Python-visible face of values that are in no database."""
from typing import TypeVar

T = TypeVar("T", bound="Value")

class Value:
    TYPE: int
    def __len__(self) -> int: ...
    def encoding_name(self) -> str: ...

def loose(kind: type[T]) -> T: ...
