"""CLIENT PAUSE: clients wait, all of them or those that would write.

A pause has a purpose (a user's command, a failover, a shutdown, slots that are handed over), an end and a strength; the
strongest of those in force counts. While there is one of WRITES or ALL, keys neither expire nor get evicted, so that
the data set stands still. One of SLOTS holds only who would write to the slots that `is_held` knows. A client whose
command is held keeps it (state PAUSED) and runs it again when the pause is over. `when_paused` lets the rooms above
know, so that fast paths stand back: all, or those that may change something.
"""

from collections.abc import Callable

from server.clients.client import IMPORTS, PAUSED, REPLICA, Client
from server.clients.client_table import ClientTable
from server.clients.seams import ClientLoop, RunningCommand
from server.keyspace.database import Keyspace
from server.registry.clock import monotonic_now_us
from server.registry.command import MAY_REPLICATE, WRITE

BY_CLIENT, BY_SHUTDOWN, BY_FAILOVER, BY_MIGRATION = "client", "shutdown", "failover", "slot-migration"
NONE, SLOTS, WRITES, ALL = 0, 1, 2, 3

# Functions that say whether a call only reads though its command might write.
only_read: list[Callable[[RunningCommand], bool]] = []


def spreads(call: RunningCommand) -> bool:
    """Whether a call may change something, here or elsewhere."""
    return bool(call.command.has(WRITE | MAY_REPLICATE)) and not any(ask(call) for ask in only_read)


class Pause:
    """The pauses in force. `strength` is that of the strongest; `when_paused` is told whenever that changes."""

    def __init__(self, clients: ClientTable, keyspace: Keyspace, loop: ClientLoop) -> None:
        self._clients = clients
        self._keyspace = keyspace
        self._loop = loop
        self.when_paused: Callable[[int], object] = int
        self.is_held: Callable[[RunningCommand], bool] = lambda call: True      # of what may write, in a pause of SLOTS
        self._pauses: dict[str, tuple[int, int]] = {}        # purpose -> (end, strength); ends are monotonic, ms
        self._postponed: dict[Client, None] = {}
        self.strength = NONE

    def start(self, purpose: str, milliseconds: int, strength: int) -> None:
        """Pause from now on. A later end set before stays; so does ALL over WRITES of a user's command."""
        end_ms = monotonic_now_us() // 1000 + milliseconds
        before_end, before_strength = self._pauses.get(purpose, (0, NONE))
        if purpose == BY_CLIENT:
            strength = max(strength, before_strength)
        self._pauses[purpose] = (max(end_ms, before_end), strength)
        self.update()

    def stop(self, purpose: str) -> None:
        """End the pause of that purpose; others stay."""
        self._pauses.pop(purpose, None)
        self.update()

    def hasten(self, by_us: int) -> None:
        """So much time has passed (DEBUG CLOCK)."""
        by_ms = by_us // 1000
        self._pauses = {purpose: (end_ms - by_ms, strength) for purpose, (end_ms, strength) in self._pauses.items()}
        self.update()

    def update(self) -> None:
        """Let pauses whose time is over end (a job of the cron). Clients that may go on do."""
        if not self._pauses and not self.strength:
            return
        now = monotonic_now_us() // 1000
        self._pauses = {purpose: pause for purpose, pause in self._pauses.items() if pause[0] > now}
        before, self.strength = self.strength, max((strength for _, strength in self._pauses.values()), default=NONE)
        if (before >= WRITES) != self.stands_still:
            self._keyspace.keep_expired_for("pause", self.stands_still)
        if before != self.strength:
            self.when_paused(self.strength)
        if self.strength < before:
            self._resume()

    @property
    def stands_still(self) -> bool:
        """Whether nothing at all may be written."""
        return self.strength >= WRITES

    def holds(self, call: RunningCommand) -> bool:
        """Whether this call has to wait; the client is then remembered. Replicas never wait, nor who sends us slots:
        two that hold their writers to hand slots to each other would wait for ever."""
        client = call.client
        if client.has(REPLICA | IMPORTS) or not self._concerns(call):
            return False
        if client not in self._postponed:
            self._postponed[client] = None
            self._clients.counts.blocked += 1
        return True

    def _concerns(self, call: RunningCommand) -> bool:
        if self.strength == ALL:
            return True
        transaction = call.client.transaction
        writes = spreads(call) or (call.command.name == "exec" and transaction is not None and transaction.spreads)
        return writes and (self.stands_still or self.is_held(call))

    def _resume(self) -> None:
        for client in list(self._postponed):
            self.forget(client)
            self._loop.resume(client)

    def forget(self, client: Client) -> None:
        """The client goes on, or is gone."""
        if client in self._postponed:
            del self._postponed[client]
            self._clients.counts.blocked -= 1
            client.clear(PAUSED)

    def postponed(self) -> int:
        """How many clients wait."""
        return len(self._postponed)
