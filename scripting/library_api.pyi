"""The Python-visible face of redis.register_function."""
from typing import Any

def registering(library: Any) -> None: ...
