"""A server with keys, as far as sentinels see one: its role, whom it follows, how much of the stream it has, who is
subscribed. The stream is a number."""

from typing import Any

from server.sentinel.hello import CHANNEL
from tests.simulation.network import Network
from tests.simulation.simulated import Simulated

TICK_MS = 100
PORT = 6379


def host_of(number: int) -> str:
    return f"10.0.0.{number}"


def number_of(host: str) -> int:
    return int(host.rsplit(".", 1)[1])


class Connection:
    """The end of a wire that a server has."""

    def __init__(self) -> None:
        self.queue: list[tuple[bytes, ...]] | None = None       # of MULTI


class Store(Simulated):
    """One server. number: its name in the network. silent: it is cut from power, so that nobody hears that it is gone.
    master: the number of whom it follows, None: it is one."""

    def __init__(self, number: int, network: Network, master: int | None) -> None:
        super().__init__(number, network, number)
        self.configured = self.master = master
        self.offset = 0
        self.link_up = False
        self.down_since = 0
        self.subscribers: dict[Connection, None] = {}

    # ---- the process
    def start(self) -> None:
        self.begin_life()
        self.runid = f"{self.rng.getrandbits(160):040x}"
        self.master = self.configured
        self.link_up, self.down_since = False, self.network.now
        self.network.later(self.rng.randrange(TICK_MS), self.tick, self.life)

    def has_died(self, power: bool) -> None:
        self.subscribers.clear()

    # ---- replication
    def tick(self, life: int) -> None:
        if life != self.life or not self.up:
            return
        self.network.later(TICK_MS, self.tick, life)
        if self.stopped:
            return
        if self.master is None:
            self.offset += self.rng.randrange(100)
            return
        master = self.network.machines.get(self.master)
        up = (isinstance(master, Store) and master.up and not master.stopped and master is not self
              and self.network.reaches(self, master) and self.network.reaches(master, self))
        if not up and (self.link_up or not self.down_since):
            self.down_since = self.network.now
        self.link_up = up
        if isinstance(master, Store) and up:
            self.offset = master.offset

    def replicas(self) -> list["Store"]:
        return [one for one in self.network.machines.values()
                if isinstance(one, Store) and one.master == self.number and one.link_up and one.up]

    def info(self) -> bytes:
        fields: dict[str, object] = {"run_id": self.runid}
        if self.master is None:
            fields["role"] = "master"
            for n, one in enumerate(self.replicas()):
                fields[f"slave{n}"] = f"ip={host_of(one.number)},port={PORT},state=online,offset={one.offset},lag=0"
        else:
            fields |= {"role": "slave", "master_host": host_of(self.master), "master_port": PORT,
                       "master_link_status": "up" if self.link_up else "down", "slave_repl_offset": self.offset,
                       "slave_priority": 100}
            if not self.link_up:
                fields["master_link_down_since_seconds"] = (self.network.now - self.down_since) // 1000
        return "".join(f"{name}:{value}\r\n" for name, value in fields.items()).encode()

    # ---- what comes in
    def accept(self, _: Any) -> Connection:
        return Connection()

    def lost(self, link: Connection) -> None:
        self.subscribers.pop(link, None)

    def receive(self, link: Connection, words: Any) -> None:
        if not self.holds(self.receive, link, words) and link in self.wires:
            for reply in self.replies(link, words):
                self.network.send(self, link, reply)

    def replies(self, link: Connection, words: tuple[bytes, ...]) -> list[Any]:
        name = words[0]
        if link.queue is not None and name != b"EXEC":
            link.queue.append(words)
            return ["QUEUED"]
        if name == b"PING":
            return ["PONG"]
        if name == b"INFO":
            return [self.info()]
        if name == b"SUBSCRIBE":
            self.subscribers[link] = None
            return [[b"subscribe", words[1], 1]]
        if name == b"PUBLISH":
            for listener in list(self.subscribers):
                self.network.send(self, listener, [b"message", CHANNEL, words[2]])
            return [len(self.subscribers)]
        if name == b"MULTI":
            link.queue = []
        elif name == b"EXEC":
            queue, link.queue = link.queue or [], None
            for queued in queue:
                if queued[0] == b"SLAVEOF":
                    self.follow(queued[1:])
        return ["OK"]

    def follow(self, words: tuple[bytes, ...]) -> None:
        wanted = None if words[0] == b"NO" else number_of(words[0].decode())
        if wanted != self.master:
            self.master = self.configured = wanted
            self.link_up, self.down_since = False, self.network.now
