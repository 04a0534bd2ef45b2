"""The Python-visible face of EVALSHA's fast path."""
from scripting.run import Scripting
from server.clients.client import Client
from server.dispatch.record import Record
from server.server import Server

def attach(server: Server, scripting: Scripting, client: Client, records: dict[str, Record]) -> None: ...
