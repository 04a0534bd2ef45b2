"""Where memory goes: what INFO memory and MEMORY STATS show, kept without scanning keys."""

from typing import Any

from server.observe import process


class MemoryAccount:
    """Reads the allocator and the rooms' own totals; remembers the peak and what start-up used. The interpreter is not
    in it (only in RSS): used_memory is what keys and clients cost, so that maxmemory means what it means in Redis."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.startup = server.keyspace.memory_used()
        self.peak = 0

    @property
    def keyspace(self) -> int:
        """Bytes that keys and values use."""
        return int(self._server.keyspace.memory_used())

    @property
    def clients(self) -> int:
        """Bytes of client query and output buffers."""
        return sum(self._server.limits.memory_by_class.values())

    @property
    def used(self) -> int:
        """used_memory: keys and values, client and replication buffers."""
        now = self.keyspace + self.clients
        self.peak = max(self.peak, now)
        return now

    @property
    def overhead(self) -> int:
        """What is not data: start-up, buckets and entry headers' share, buffers."""
        return self.startup + self.clients + sum(db.memory() for db in self._server.keyspace.databases)

    @property
    def dataset(self) -> int:
        """The rest."""
        return max(0, self.used - self.overhead)

    @property
    def resident(self) -> int:
        """RSS."""
        return process.resident_bytes()
