"""What is done to the servers. Each fault is a method that does it, waits while clients go on, and mends it."""

import random
import signal
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable

from tests.consistency.clients import Load
from tests.consistency.trio import Node, Trio
from tests.support.pace import wait_until

MEANWHILE = 30  # values that clients write between one thing and the next, at least
FAILOVER_MS = 5000


class Nemesis(ABC):
    """Faults, in an order that a seed says, each as often as any other."""

    def __init__(self, load: Load, seed: int) -> None:
        self.load = load
        self.chosen = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.faults: list[Callable[[], None]] = []
        self._left: list[Callable[[], None]] = []

    def strike(self) -> None:
        """The next fault."""
        if not self._left:
            self._left = self.chosen.sample(self.faults, len(self.faults))
        fault = self._left.pop()
        self.done[fault.__name__.replace("_", " ")] += 1
        fault()
        self.mend()
        self.meanwhile()

    @abstractmethod
    def mend(self) -> None:
        """All is well again."""

    def await_clients(self, condition: Callable[[], bool], what: str) -> None:
        """Until they have come so far."""
        broken = self.load.broken
        wait_until(lambda: condition() or broken, what, 60)
        if broken:
            raise broken[0]

    def meanwhile(self) -> None:
        """Clients go on for a while."""
        enough = self.load.written + self.chosen.randint(MEANWHILE, 4 * MEANWHILE)
        self.await_clients(lambda: self.load.written >= enough, "clients that go on")

    def meanwhile_or_silence(self) -> None:
        """As `meanwhile`; but who waits for somebody that is held gives up some time, and that is enough."""
        history = self.load.history
        enough = history.count + self.chosen.randint(1, MEANWHILE)
        self.await_clients(lambda: history.count >= enough, "clients that go on or give up")


class TrioNemesis(Nemesis):
    """What befalls a trio."""

    def __init__(self, trio: Trio, load: Load, seed: int) -> None:
        super().__init__(load, seed)
        self.trio = trio
        self.faults = [
            self.kill_a_replica, self.pause_somebody, self.cut_a_link, self.hold_a_link, self.cut_clients,
            self.hold_clients, self.fail_over, self.restart_the_master, self.kill_the_master_and_restart_it,
            self.kill_the_master_and_promote,
        ]  # fmt: skip

    def mend(self) -> None:
        self.trio.heal()
        self.trio.wait_linked()

    @property
    def master(self) -> Node:
        assert self.trio.master is not None
        return self.trio.master

    def a_replica(self) -> Node:
        return self.chosen.choice(self.trio.replicas())

    def somebody(self) -> Node:
        return self.chosen.choice(self.trio.nodes)

    # ---- replicas and links
    def kill_a_replica(self) -> None:
        node = self.a_replica()
        node.server.kill()
        self.meanwhile()
        node.start()

    def pause_somebody(self) -> None:
        node = self.somebody()
        node.server.signal(signal.SIGSTOP)
        self.meanwhile_or_silence()
        node.server.signal(signal.SIGCONT)

    def cut_a_link(self) -> None:
        for _ in range(self.chosen.randint(1, 3)):
            self.somebody().for_nodes.cut(reset=self.chosen.random() < 0.5)
            self.meanwhile()

    def hold_a_link(self) -> None:
        """One of the links that others have to a node, or all."""
        node = self.master if self.chosen.random() < 0.7 else self.somebody()
        node.for_nodes.hold(one=self.chosen.random() < 0.7)
        self.meanwhile()
        if self.chosen.random() < 0.5:
            node.for_nodes.cut()

    def cut_clients(self) -> None:
        for _ in range(self.chosen.randint(1, 5)):
            self.somebody().for_clients.cut(reset=self.chosen.random() < 0.5)

    def hold_clients(self) -> None:
        node = self.somebody()
        node.for_clients.hold()
        self.meanwhile_or_silence()
        if self.chosen.random() < 0.5:
            node.for_clients.cut()

    # ---- the master
    def fail_over(self) -> None:
        """By agreement: nothing that was answered may be lost."""
        old = self.master
        answer = old.call("FAILOVER", "TIMEOUT", FAILOVER_MS)
        assert answer == "OK", answer
        wait_until(lambda: old.info()["master_failover_state"] == "no-failover", "the end of a failover", 60)
        if old.info()["role"] == "master":
            self.done["fail over, aborted"] += 1
            return
        new = next(node for node in self.trio.nodes if node.info()["role"] == "master")
        old.master, new.master = new, None
        for node in self.trio.nodes:
            if node not in (old, new) and self.chosen.random() < 0.7:  # else it stays behind the old one: a chain
                node.follow(new)
        self.trio.settle(new)

    def restart_the_master(self) -> None:
        """In an orderly way: it waits for its replicas."""
        node = self.master
        code = node.server.stop()
        assert code == 0, f"SIGTERM ended the master with {code}"
        node.start()

    def kill_the_master_and_restart_it(self) -> None:
        """With appendfsync always: nothing that was answered may be lost, but replicas may know more than it does."""
        node = self.master
        node.server.kill()
        self.trio.fork(may_lose=False)
        node.start()
        self.trio.settle(node)

    def kill_the_master_and_promote(self) -> None:
        """What WAIT promised is with the replica that has most; the rest may go."""
        old = self.master
        if self.chosen.random() < 0.7:  # one of them lags, or both
            old.for_nodes.hold(one=self.chosen.random() < 0.5)
            self.meanwhile()
        old.server.kill()
        self.trio.fork(may_lose=True)
        old.for_nodes.cut()  # what was held never comes
        self.trio.heal()
        left = [node for node in self.trio.nodes if node is not old]
        new = max(left, key=lambda node: int(node.info()["slave_repl_offset"]))
        new.follow(None)
        for node in left:
            if node is not new:
                node.follow(new)
        old.master = new
        old.start()
        self.trio.settle(new)
