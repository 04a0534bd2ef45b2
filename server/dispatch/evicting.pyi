from collections.abc import Callable

from server.clients.tracking import Tracking
from server.dispatch.propagate import Propagation
from server.keyspace.database import Database
from server.keyspace.effects import Effects
from server.keyspace.evict import Evictor

def use(evictor: Evictor, propagation: Propagation, effects: Effects, tracking: Tracking,
        look: Callable[[], None]) -> None: ...
def key_evicted(db: Database, key: bytes) -> None: ...
