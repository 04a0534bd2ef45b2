"""The same check under Sentinel: on three machines, each with a server and a sentinel, masters are lost in every way.

    ./dev torture consistency --sentinels all|masters|by-hand [--real] [--min-replicas]

Clients are on the machines, too: they ask the sentinels where the master is, the one of their machine first, and again
when they are refused or hear nothing. So while the master is cut off, those beside it go on writing to it, and the
others to the next one: two branches at a time. Which one a client is in, the server says in the same transaction, by
its replication id; what goes with a branch that is given up is counted, promised by WAIT or not.
"""

import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

from tests.consistency import lists
from tests.consistency.clients import Load, Stranger, commands_of
from tests.consistency.history import Outcome
from tests.consistency.nemesis import Nemesis
from tests.consistency.run import Figures, judge, lists_in
from tests.support.machines import HOSTS, Machines
from tests.support.pace import wait_until
from tests.support.peer import Peer
from tests.support.resp import Connection
from tests.support.sentinels import NAME, OurSentinel, RealSentinel, told
from tests.support.server import Process, Server

SETTINGS: dict[str, Any] = {"appendonly": "yes", "shutdown_timeout": 10}
LOOKS = 20  # of a reader at one server
AGAIN_SECONDS = 0.05  # until a client asks anew
WRITERS, READERS = 6, 3
KINDS = ALL, MASTERS, BY_HAND = "all", "masters", "by-hand"  # what is done: faults, those of masters, no faults


class _OnMachine(Stranger):
    """It lives on one of the machines."""

    def __init__(self, machines: Machines, load: Load, number: int, seed: int) -> None:
        self.home = number % len(HOSTS)
        super().__init__(load, number, seed, machines.at(self.home))
        self.machines = machines

    def said_at(self, port: int, *words: Any) -> list[Any] | None:
        """What it is told there, when that is an array: it speaks to who is there from now on."""
        replies = self.ask(words) if self.reach(port) else None
        return replies[0] if replies and isinstance(replies[0], list) else None

    def finds_the_master(self) -> bool:
        """Where the first sentinel says that answers, the one of its machine before others."""
        for number in range(len(HOSTS)):
            sentinel = self.machines.sentinels[(self.home + number) % len(HOSTS)]
            address = self.said_at(self.machines.port_of(sentinel), "SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
            if address:
                role = self.said_at(int(address[1]), "ROLE")
                return role is not None and role[0] == b"master"
        return False

    def does(self, appends: float, *, waits: bool = False) -> None:
        """Some steps, written down."""
        steps = self.some_steps(appends)
        done = self.transact(commands_of(steps), waits=waits)
        self.note_steps(steps, done, f" on {self.home}")
        if done.outcome is not Outcome.OK:
            self.pause()

    def pause(self) -> None:
        """Then all begins anew."""
        self.leave()
        time.sleep(AGAIN_SECONDS)


class _Writer(_OnMachine):
    """Appends at the master; half of the time it waits for a replica."""

    def act(self) -> None:
        if self.connected or self.finds_the_master():
            self.does(0.7, waits=self.chosen.random() < 0.5)
        else:
            self.pause()


class _Reader(_OnMachine):
    """Reads at one server after the other."""

    left = 0

    def act(self) -> None:
        self.left -= 1
        if self.left < 0:
            self.leave()
            self.left = LOOKS
        if self.connected or self.reach(self.machines.port_of(self.chosen.choice(self.machines.servers))):
            self.does(0)
            time.sleep(AGAIN_SECONDS / 5)
        else:
            self.pause()


class Failovers(Nemesis):
    """What is done to the machines and to who is on them. of: one of KINDS.

    Between two faults there is a moment when all servers have everything; `kept` are the values that they had then:
    whoever of them leads afterwards, and whatever happens to one of them, these stay."""

    def __init__(self, machines: Machines, load: Load, seed: int, of: str) -> None:
        super().__init__(load, seed)
        self.machines = machines
        self.kept: set[int] = set()
        self.causes: dict[str, str] = {}  # what was done to masters, by the histories that they had
        masters = [self.kill_the_master, self.stop_the_master, self.cut_off_the_master]
        others = [self.cut_links, self.cut_off_a_replica, self.kill_a_replica, self.kill_a_sentinel]
        self.faults = {ALL: masters + others, MASTERS: masters, BY_HAND: [self.fail_over_by_hand]}[of]

    def mend(self) -> None:
        self.machines.heal()
        self.machines.ready()
        _, found = shared(self.machines)
        self.kept |= {value for values in found.values() for value in values}

    def end(self) -> lists.End:
        """When nobody writes any more. Nothing that was answered in the last branch may be gone; in others it may,
        promised or not: where a slow machine makes a living master seem down, it goes as in a failover by hand."""
        name, found = shared(self.machines)
        wait_until(lambda: all(told(held, server) == found for server in self.machines.servers), "the same everywhere")
        last = self.load.history.branch(name)
        others = set(self.load.history.branches.values()) - {last}
        causes = {self.load.history.branch(name): cause for name, cause in self.causes.items()}
        return lists.End(found, {last}, others, promises_hold=False, kept=self.kept, causes=causes)

    def the_master(self, fate: str) -> Process:
        """That is to be replaced."""
        master = self.machines.settled()
        self.causes[place(master)[0]] = fate
        return master

    def a_replica(self) -> Process:
        master = self.machines.settled()
        return self.chosen.choice([server for server in self.machines.servers if server is not master])

    def go_on(self) -> None:
        """Somebody writes, and is answered, and is promised something."""
        history = self.load.history
        begin, enough = len(history.transactions), self.chosen.randint(5, 20)

        def answered() -> bool:
            done = [one for one in history.transactions[begin:] if one.outcome is Outcome.OK and one.appends()]
            return len(done) >= enough and any(one.promised for one in done)

        self.await_clients(answered, "clients that write")

    # ---- the master
    def kill_the_master(self) -> None:
        old = self.the_master("a kill")
        old.kill()
        self.machines.replaced(old)
        self.go_on()
        old.start_again()

    def stop_the_master(self) -> None:
        """It goes on when it is the master no more, and does not know that."""
        old = self.the_master("a stop")
        old.signal(signal.SIGSTOP)
        self.machines.replaced(old)
        self.go_on()
        old.signal(signal.SIGCONT)

    def cut_off_the_master(self) -> None:
        """With the sentinel of its machine and the clients there."""
        old = self.the_master("a cut")
        self.machines.cut_off(self.machines.servers.index(old))
        self.machines.replaced(old)
        self.go_on()

    def fail_over_by_hand(self) -> None:
        """The old master is told last; until then clients write to it, and a replica of it may acknowledge that."""
        old = self.the_master("a failover by hand")
        sentinel = self.chosen.choice(self.machines.sentinels)
        wait_until(lambda: sentinel.ask("SENTINEL", "FAILOVER", NAME) == "OK", "a failover that may begin", 30)
        self.machines.replaced(old)

    # ---- others
    def cut_links(self) -> None:
        for _ in range(self.chosen.randint(1, 3)):
            process = self.chosen.choice([*self.machines.servers, *self.machines.sentinels])
            self.machines.cut_links(process, reset=self.chosen.random() < 0.5)
            self.meanwhile()

    def cut_off_a_replica(self) -> None:
        """The sentinel there sees the master down, and is the only one."""
        number = self.machines.servers.index(self.a_replica())
        self.machines.cut_off(number)
        alone = self.machines.sentinels[number]
        wait_until(lambda: "s_down" in alone.master_fields()["flags"], "a sentinel that sees nobody", 30)
        self.go_on()

    def kill_a_replica(self) -> None:
        replica = self.a_replica()
        replica.kill()
        self.go_on()
        replica.start_again()

    def kill_a_sentinel(self) -> None:
        sentinel = self.chosen.choice(self.machines.sentinels)
        sentinel.kill()
        self.go_on()
        sentinel.start_again()


def play(folder: Path, seed: int, faults: int, *, of: str = ALL, real: bool = False, **directives: Any) -> Figures:
    """So many faults of a kind. real: of real sentinels over real servers. directives: of the servers."""
    sentinel, server = (RealSentinel, Peer) if real else (OurSentinel, Server)
    with Machines(folder, [sentinel] * len(HOSTS), [server] * len(HOSTS), **{**SETTINGS, **directives}) as machines:
        machines.ready()
        load = Load(seed, [partial(role, machines) for role in [_Writer] * WRITERS + [_Reader] * READERS])
        nemesis = Failovers(machines, load, seed, of)
        load.start()
        try:
            nemesis.go_on()
            nemesis.mend()
            for _ in range(faults):
                nemesis.strike()
        finally:
            machines.heal()
            load.stop()
        return judge(load, nemesis.done, nemesis.end())


def held(server: Process) -> lists.Lists:
    """All lists that it has."""
    with Connection(server.port) as c:
        return lists_in(c, c.ok("KEYS", "list*"))


def place(server: Process) -> tuple[str, int]:
    """Its branch, and how far it is there."""
    fields = server.info("replication")
    return fields["master_replid"], int(fields["master_repl_offset"])


def shared(machines: Machines) -> tuple[str, lists.Lists]:
    """The branch that all servers are in, and what its master held a moment ago, which all have now."""
    found: tuple[str, lists.Lists] = wait_until(lambda: told(_shared_now, machines), "servers that have the same", 60)
    return found


def _shared_now(machines: Machines) -> tuple[str, lists.Lists] | None:
    """None when somebody has gone to another branch meanwhile."""
    master = machines.settled()
    branch, _ = place(master)
    found = held(master)
    _, offset = place(master)

    def there() -> list[bool]:
        """Whether all are in the branch; empty as long as somebody is behind."""
        places = [place(server) for server in machines.servers]
        astray = any(name != branch for name, _ in places)
        return [not astray] if astray or min(at for _, at in places) >= offset else []

    [together] = wait_until(there, "servers that have everything", 60)
    return (branch, found) if together else None
