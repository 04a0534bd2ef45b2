"""WAIT and WAITAOF: clients that wait until replicas (or disks) have what they wrote."""

from collections.abc import Callable
from typing import Any

from server.clients.client import Client
from server.registry.dataclass import dataclass
from server.replication.master import Master


@dataclass(eq=False)
class Waiter:
    """One who waits. offset: of its last write; replicas, local: how many copies it wants; on_disk: WAITAOF."""

    client: Client
    offset: int
    replicas: int
    local: int = 0
    on_disk: bool = False


class Waiting:
    """All who wait. local_synced: the offset that our own append only file has on disk."""

    def __init__(self, master: Master, local_synced: Callable[[], int]) -> None:
        self._master = master
        self._local_synced = local_synced
        self._waiters: dict[Client, Waiter] = {}
        self._asked = False
        master.changed.append(self.look)

    def reply(self, waiter: Waiter) -> Any:
        """How far it is: WAIT's number of replicas, WAITAOF's numbers of local and remote disks."""
        if not waiter.on_disk:
            return self._master.acknowledged_by(waiter.offset)
        return [int(self._local_synced() >= waiter.offset), self._master.synced_by(waiter.offset)]

    def is_served(self, waiter: Waiter) -> bool:
        """Whether it has what it wanted."""
        if not waiter.on_disk:
            return self._master.acknowledged_by(waiter.offset) >= waiter.replicas
        return (self._local_synced() >= waiter.offset or not waiter.local) \
            and self._master.synced_by(waiter.offset) >= waiter.replicas

    def add(self, waiter: Waiter) -> None:
        """A client is blocked now; replicas are asked how far they are, once a turn."""
        self._waiters[waiter.client] = waiter
        if not self._asked:
            self._asked = True
            self._master.loop.attend(self.ask)

    def ask(self) -> bool:
        """Before replies leave: ask the replicas."""
        self._master.loop.attend(self.ask, False)
        self._asked = False
        if self._waiters and self._master.replicas:
            self._master.ask_for_acknowledgements()
        return False

    def tick(self) -> None:
        """From the cron: a disk says nothing by itself."""
        if self._waiters:
            self.look()

    def _is_served_by(self, waiter: Waiter, acknowledged: list[int]) -> bool:
        """The same of one who has waited: the n-th largest offset is what n replicas have."""
        if waiter.on_disk:
            return self.is_served(waiter)
        return waiter.replicas <= len(acknowledged) and acknowledged[waiter.replicas - 1] >= waiter.offset

    def look(self) -> None:
        """Something was acknowledged, or came to the disk. Complexity: O(those who wait)."""
        if not self._waiters:
            return
        acknowledged = self._master.acknowledged()
        for client, waiter in list(self._waiters.items()):
            if client.blocked is None:
                del self._waiters[client]
            elif self._is_served_by(waiter, acknowledged):
                del self._waiters[client]
                client.blocked.finish(self.reply(waiter))

    def forget(self, client: Client) -> None:
        """The client is gone."""
        self._waiters.pop(client, None)
