"""The Python-visible face of EVALSHA's fast path."""
from typing import Any

from server.clients.client import Client

def attach(server: Any, scripting: Any, client: Client, records: dict[str, Any]) -> None: ...
