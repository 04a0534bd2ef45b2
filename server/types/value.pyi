"""The Python-visible face of values that are in no database."""
from typing import Any

class Value:
    TYPE: int

def loose(kind: type) -> Any: ...
