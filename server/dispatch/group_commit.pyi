"""The Python-visible face of gathering commands before an fsync."""
from server.dispatch.loop import Loop

class GroupCommit:
    sync_us: int
    def __init__(self, loop: Loop) -> None: ...
    def __call__(self) -> bool: ...
