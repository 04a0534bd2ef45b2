"""The Python-visible face of redis.register_function."""
from scripting.functions import Library

def registering(library: Library | None) -> None: ...
