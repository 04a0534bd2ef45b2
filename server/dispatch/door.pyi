from collections.abc import Callable

from server.clients.client import Client
from server.dispatch.sampling import Sampling
from server.registry.command import Command

def use(note_slow_of_server: Callable[[Client, Command, list[bytes], int], None], sampling: Sampling,
        make_room_of_server: Callable[[], bool]) -> None: ...
def passed_commands() -> int: ...
def reset_passed() -> None: ...
