"""The Python-visible face of compiled permissions."""

from collections.abc import Sequence

from server.acl.selector import Selector
from server.registry.command import Command

class Permissions:
    def __init__(self, selectors: Sequence[Selector]) -> None: ...

def permitted(permissions: Permissions, command: Command, argv: Sequence[bytes]) -> bool: ...
