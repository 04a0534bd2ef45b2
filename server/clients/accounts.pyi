from server.clients.client import Client

NORMAL: str
REPLICAS: str
PUBSUB: str
MASTERS: str
CLASSES: tuple[str, ...]

def class_of(client: Client) -> str: ...
def at_rest(client: Client) -> bool: ...

class Accounts:
    memory_by_class: dict[str, int]
    partial_accounted: int
    resting: int
    grown: int
    shrunk: int
    query_peak: int
    output_peak: int
    def account(self, client: Client) -> None: ...
    def forget(self, client: Client) -> None: ...
    def look(self, clients: list[Client], at: int, count: int, now_us: int, since_us: int) -> list[Client]: ...
