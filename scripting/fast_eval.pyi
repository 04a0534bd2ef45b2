"""The Python-visible face of EVALSHA's fast path."""
from typing import Any

from server.clients.client import Client
from server.server import Server

def attach(server: Server, scripting: Any, client: Client, records: dict[str, Any]) -> None: ...
