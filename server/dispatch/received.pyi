from server.clients.client import Client
from server.dispatch.loop import Loop

def run_received(loop: Loop, client: Client, data: bytes) -> int: ...
