from server.clients.tracking import Tracking
from server.dispatch.propagate import Propagation

def use(tracking: Tracking, propagation: Propagation) -> None: ...
