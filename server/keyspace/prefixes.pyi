"""The Python-visible face of sums by prefix."""
from typing import Any

def prefixes(
    db: Any, cursor: int, separator: bytes, depth: int, count: int, limit_us: int
) -> tuple[int, dict[bytes, list[int]]]: ...
