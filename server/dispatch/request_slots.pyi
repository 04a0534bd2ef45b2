"""The Python-visible face of slots found by lanes."""

from server.dispatch.loop import Loop

def begin(loop: Loop) -> None: ...
