from collections.abc import Callable

from server.clients.client import Client
from server.registry.command import Command

def use(note_denial: Callable[[Client, Command, int, bytes], bytes]) -> None: ...
