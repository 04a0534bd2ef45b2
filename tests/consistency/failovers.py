"""The same check under Sentinel: on three machines, each with a server and a sentinel, masters are lost in every way.

    ./dev torture consistency --sentinels all|masters|by-hand [--real] [--min-replicas]

Clients are on the machines, too: they ask the sentinels where the master is, the one of their machine first, and again
when they are refused or hear nothing. So while the master is cut off, those beside it go on writing to it, and the
others to the next one: two branches at a time. Which one a client is in, the server says in the same transaction, by
its replication id; what goes with a branch that is given up is counted, promised by WAIT or not.
"""

import signal
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from tests.consistency import lists
from tests.consistency.clients import GONE, REPLY_SECONDS, WAIT_MS, Client, Load
from tests.consistency.history import BETWEEN, Outcome, Transaction
from tests.consistency.nemesis import Faults
from tests.consistency.run import Figures
from tests.support.machines import HOSTS, Machines
from tests.support.pace import wait_until
from tests.support.peer import Peer
from tests.support.resp import Connection, RespError
from tests.support.sentinels import NAME, OurSentinel, RealSentinel, told
from tests.support.server import Process, Server

SETTINGS: dict[str, Any] = {"appendonly": "yes", "shutdown-timeout": 10}
MIN_REPLICAS: dict[str, Any] = {"min-replicas-to-write": 1, "min-replicas-max-lag": 2}
LOOKS = 20  # of a reader at one server
AGAIN_SECONDS = 0.05  # until a client asks anew
WRITERS, READERS = 6, 3
KINDS = ALL, MASTERS, BY_HAND = "all", "masters", "by-hand"  # what is done: faults, those of masters, no faults


class Branches:
    """Numbers for replication ids, in the order in which they are seen."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._lock = Lock()

    def of(self, replication: bytes) -> int:
        """By INFO replication."""
        fields = dict(line.split(":", 1) for line in replication.decode().splitlines() if ":" in line)
        with self._lock:
            return self._numbers.setdefault(fields["master_replid"], len(self._numbers))

    def __len__(self) -> int:
        return len(self._numbers)


class _Asking(Client):
    """One that lives on a machine."""

    def __init__(self, machines: Machines, branches: Branches, load: Load, number: int, seed: int) -> None:
        super().__init__(load, number, seed)
        self.machines = machines
        self.branches = branches
        self.home = number % len(HOSTS)

    def connect(self, port: int) -> Connection:
        return Connection(port, timeout=REPLY_SECONDS, source=self.machines.at(self.home))

    def master(self) -> int:
        """The port where it is, as the first sentinel says that answers; 0: none does."""
        for number in range(len(HOSTS)):
            sentinel = self.machines.sentinels[(self.home + number) % len(HOSTS)]
            try:
                with self.connect(self.machines.port_of(sentinel)) as c:
                    found = c("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
            except GONE:
                continue
            if isinstance(found, list):
                return int(found[1])
        return 0

    def go_to(self, port: int, role: bytes = b"") -> bool:
        """Connect there; role: and be sure that it has this one."""
        try:
            self.connection = self.connect(port)
            said = self.connection("ROLE")
        except GONE:
            said = None
        if isinstance(said, list) and role in (b"", said[0]):
            return True
        self.leave()
        return False

    def does(self, appends: float, *more: tuple[Any, ...]) -> Outcome:
        """Some steps, written down; the first of `more` may be WAIT."""
        steps = self.some_steps(appends)
        outcome, steps, rest = self.transact(steps, *more, within=("INFO", "replication"))
        done = outcome is Outcome.OK
        promised = bool(done and more and isinstance(rest[1], int) and rest[1] >= 1)
        branch = self.branches.of(rest[0]) if done else BETWEEN
        self.history.add(Transaction(steps, outcome, branch, promised, f"{self.name} on {self.home}"))
        return outcome


class _Writer(_Asking):
    """Appends at the master; half of the time it waits for a replica."""

    def act(self) -> None:
        if self.connection is None and not ((port := self.master()) and self.go_to(port, b"master")):
            time.sleep(AGAIN_SECONDS)
            return
        waits = self.chosen.random() < 0.5
        if self.does(0.7, *[("WAIT", 1, WAIT_MS)] * waits) is not Outcome.OK:
            self.leave()
            time.sleep(AGAIN_SECONDS)


class _Reader(_Asking):
    """Reads at one server after the other."""

    left = 0

    def act(self) -> None:
        self.left -= 1
        if self.left < 0:
            self.leave()
            self.left = LOOKS
        if self.connection is None and not self.go_to(self.machines.port_of(self.chosen.choice(self.machines.servers))):
            time.sleep(AGAIN_SECONDS)
            return
        if self.does(0) is not Outcome.OK:
            self.leave()
        time.sleep(AGAIN_SECONDS / 5)


class Failovers(Faults):
    """What is done to the machines and to who is on them. of: one of KINDS."""

    def __init__(self, machines: Machines, load: Load, seed: int, of: str) -> None:
        super().__init__(load, seed)
        self.machines = machines
        self.of = of

    def kinds(self) -> list[Callable[[], None]]:
        masters = [self.kill_the_master, self.stop_the_master, self.cut_off_the_master]
        others = [self.cut_links, self.cut_off_a_replica, self.kill_a_replica, self.kill_a_sentinel]
        return {ALL: masters + others, MASTERS: masters, BY_HAND: [self.fail_over_by_hand]}[self.of]

    def mend(self) -> None:
        self.machines.heal()
        self.machines.ready()
        self.machines.settled()

    def a_replica(self) -> Process:
        master = self.machines.settled()
        return self.chosen.choice([server for server in self.machines.servers if server is not master])

    def go_on(self) -> None:
        """Somebody writes, and is answered."""
        history = self.load.history

        def answered() -> int:
            return sum(one.outcome is Outcome.OK and bool(one.appends()) for one in [*history.transactions])

        enough = answered() + self.chosen.randint(5, 20)
        wait_until(lambda: answered() >= enough or self.load.broken, "clients that write", 60)

    # ---- the master
    def kill_the_master(self) -> None:
        old = self.machines.settled()
        old.kill()
        self.machines.replaced(old)
        self.go_on()
        old.start_again()

    def stop_the_master(self) -> None:
        """It goes on when it is the master no more, and does not know that."""
        old = self.machines.settled()
        old.signal(signal.SIGSTOP)
        self.machines.replaced(old)
        self.go_on()
        old.signal(signal.SIGCONT)

    def cut_off_the_master(self) -> None:
        """With the sentinel of its machine and the clients there."""
        old = self.machines.settled()
        self.machines.cut_off(self.machines.servers.index(old))
        self.machines.replaced(old)
        self.go_on()

    def fail_over_by_hand(self) -> None:
        """The old master is told last; until then clients write to it, and a replica of it may acknowledge that."""
        old = self.machines.settled()
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
    """So many faults of a kind. real: of real sentinels over real servers. directives: of the servers, with dashes."""
    kinds: tuple[Any, Any] = (RealSentinel, Peer) if real else (OurSentinel, Server)
    settings = {name.replace("-", "_"): value for name, value in {**SETTINGS, **directives}.items()}
    branches = Branches()
    with Machines(folder, [kinds[0]] * len(HOSTS), [kinds[1]] * len(HOSTS), **settings) as machines:
        machines.ready()
        of_each = [partial(role, machines, branches) for role in [_Writer] * WRITERS + [_Reader] * READERS]
        load = Load(seed, of_each)
        nemesis = Failovers(machines, load, seed, of)
        load.start()
        try:
            nemesis.go_on()
            for _ in range(faults):
                nemesis.strike()
        finally:
            machines.heal()
            load.stop()
        return _judge(load, nemesis, branches)


def _judge(load: Load, nemesis: Failovers, branches: Branches) -> Figures:
    """The last branch is the master's; nothing that was answered in it may be gone."""
    history, machines = load.history, nemesis.machines
    master = machines.settled()
    final = _final(machines, master)
    with Connection(master.port) as c:
        last = branches.of(c("INFO", "replication"))
    for one in history.transactions:
        if one.branch == last:
            one.branch = len(branches)
    verdict = lists.check(history.transactions, final, range(len(branches)), promises_hold=False)
    outcomes = Counter(one.outcome for one in history.transactions)
    return Figures(
        histories=1,
        transactions=len(history.transactions),
        unknown=outcomes[Outcome.UNKNOWN],
        failed=outcomes[Outcome.FAILED],
        promised=sum(one.promised for one in history.transactions),
        faults=nemesis.done,
        window=verdict.window,
        lost=verdict.lost,
        promised_window=verdict.promised,
        promised_lost=verdict.promised_lost,
        anomalies=verdict.anomalies,
    )


def _final(machines: Machines, master: Process) -> lists.Lists:
    """All lists, when all servers have the same."""
    def held(server: Process) -> lists.Lists:
        with Connection(server.port) as c:
            keys = c("KEYS", "list*")
            if isinstance(keys, RespError):
                raise keys
            return {key.decode(): tuple(map(int, c("LRANGE", key, 0, -1))) for key in keys}

    wanted = held(master)
    wait_until(lambda: all(told(held, server) == wanted for server in machines.servers), "the same everywhere", 60)
    return wanted
