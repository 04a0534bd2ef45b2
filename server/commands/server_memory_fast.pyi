from collections.abc import Sized

from server.observe.memory_account import MemoryAccount

def use(memory: MemoryAccount, clients: Sized, scripts: Sized) -> None: ...
