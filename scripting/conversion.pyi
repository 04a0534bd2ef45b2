"""The Python-visible face of the conversions."""
from server.registry.errors import CommandError

class CountedError(CommandError):
    counted: bool
