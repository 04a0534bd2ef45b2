from collections.abc import Callable

from server.clients.tracking import Tracking
from server.registry.parts import Parts

def use(parts: Parts, make_room: Callable[[], bool], tracking: Tracking,
        leaves_files_alone: Callable[[], bool]) -> None: ...
