from server.clients.client import Client
from server.structures.block_stream import Sink

class Feed(Sink):
    client: Client
    def __init__(self, client: Client) -> None: ...
    def send(self, room: int = ...) -> bool: ...
