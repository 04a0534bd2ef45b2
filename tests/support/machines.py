"""Three machines on one, each with a server and a sentinel, and a network between them that can be broken.

    with Machines(tmp_path, sentinels=[OurSentinel] * 3, servers=[Server] * 3) as machines:
        machines.ready()
        machines.cut_off(0)                     # nothing passes between it and the others, and nobody is told
        machines.replaced(machines.servers[0])  # until the majority has another master
        machines.heal()
        machines.settled()

All that is on a machine connects from the machine's address, and each process is reached through a proxy, which knows
by that who is on which side. `at(n)` is the address for a client that is on the machine, too. The test itself speaks to
processes past the proxies.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.support.pace import wait_until
from tests.support.proxy import Proxy
from tests.support.sentinels import Sentinel, Watch, told
from tests.support.server import Process

HOSTS = ("127.0.0.11", "127.0.0.12", "127.0.0.13")


class Machines(Watch):
    """servers and sentinels: as many as there are machines."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._doors: dict[Process, Proxy] = {}
        super().__init__(*arguments, **options)

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        for door in self._doors.values():
            door.close()

    @staticmethod
    def at(number: int) -> str:
        """The address of a machine."""
        return HOSTS[number]

    def place(self, number: int, process: Process) -> None:
        """It is on that machine, and the others know it by its proxy."""
        door = self._doors[process] = Proxy(process.port)
        process.directives["bind-source-addr"] = self.at(number)
        if process in self.servers:
            process.directives |= {"replica-announce-ip": door.host, "replica-announce-port": door.port}
        else:
            process.config_text += f"\nsentinel announce-ip {door.host}\nsentinel announce-port {door.port}\n"

    def port_of(self, process: Process) -> int:
        """Its proxy's."""
        return self._doors[process].port

    # ---- the network
    def _placed(self) -> Iterator[tuple[int, Proxy]]:
        for group in (self.servers, self.sentinels):
            for number, process in enumerate(group):
                yield number, self._doors[process]

    def cut_off(self, number: int) -> None:
        """That machine and the others hear nothing of each other."""
        alone = self.at(number)
        for where, door in self._placed():
            door.hold_from({alone} if where != number else set(HOSTS) - {alone})

    def heal(self) -> None:
        """All hear each other again; what was on its way arrives."""
        for _, door in self._placed():
            door.release()

    def cut_links(self, process: Process, *, reset: bool) -> int:
        """End all that others have to it; how many there were."""
        return self._doors[process].cut(reset=reset)

    # ---- what comes of it
    def replaced(self, old: Process, seconds: float = 30) -> Process:
        """Until most sentinels name the same other master: that."""
        def named() -> int:
            said = [told(Sentinel.address, one) for one in self.sentinels if one.alive()]
            others = Counter(place[1] for place in said if place and place[1] != self.port_of(old))
            return next((port for port, times in others.items() if times * 2 > len(self.sentinels)), 0)

        return self.by_port(wait_until(named, "another master", seconds))

    def settled(self, seconds: float = 60) -> Process:
        """Until there is one master by one configuration, as all sentinels say, which all others follow: that."""
        master: Process = wait_until(lambda: told(Machines._agreed, self), "one master that all follow", seconds)
        return master

    def _agreed(self) -> Process | None:
        said = {(fields["port"], fields["config-epoch"], fields["flags"])
                for fields in (one.master_fields() for one in self.sentinels)}
        roles = {server: server.info("replication") for server in self.servers}
        masters = [server for server, fields in roles.items() if fields["role"] == "master"]
        if len(said) != 1 or len(masters) != 1:
            return None
        [(port, _, flags)], [master] = said, masters
        follow = all(fields["master_port"] == port and fields["master_link_status"] == "up"
                     for server, fields in roles.items() if server is not master)
        return master if follow and flags == "master" and self.by_port(int(port)) is master else None
