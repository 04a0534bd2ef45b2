"""The Python-visible face of the fast paths of scripts."""
from scripting.run import Scripting
from server.clients.client import Client
from server.dispatch.record import Record
from server.server import Server

def attach(server: Server, scripting: Scripting, client: Client, records: dict[str, Record]) -> None: ...
