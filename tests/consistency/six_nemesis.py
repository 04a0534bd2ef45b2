"""What is done to a cluster. Each fault is a method that does it, waits while clients go on, and undoes it."""

import signal
from collections.abc import Callable

from server.structures.crc16 import hash_slot
from tests.consistency.clients import Load
from tests.consistency.nemesis import Nemesis
from tests.consistency.six import Member, Shard, Six
from tests.consistency.six_clients import TAGS
from tests.support.pace import wait_until
from tests.support.resp import RespError

MIGRATE_MS = 500
KEYS_AT_ONCE = 2
SETTLED_IN = 60.0
NOT_NOW = ("CLUSTERDOWN", "NOREPLICAS")  # of a source or a target
ENDED = (b"success", b"failed", b"cancelled")


class Void(Exception):
    """A master was replaced while a slot moved, which nobody meant: then nothing is promised, as in Redis."""


class SixNemesis(Nemesis):
    """In turn: deaths, pauses, cuts, and what operators do."""

    def __init__(self, six: Six, load: Load, seed: int) -> None:
        super().__init__(load, seed)
        self.six = six
        self.faults = [
            self.kill_a_replica, self.kill_a_master, self.kill_a_master_and_restart_it, self.restart_a_master,
            self.pause_a_master, self.pause_a_replica, self.part_a_master, self.part_a_shard, self.cut_links,
            self.cut_clients, self.fail_over, self.take_over, self.move_a_slot, self.move_a_slot_amid_faults,
            self.move_at_once, self.move_at_once_amid_faults,
        ]  # fmt: skip
        self.known = {shard.branch for shard in six.shards}  # histories that some master had between two faults
        self.may_lose: set[str] = set()  # those whose master was replaced without being asked
        self._polite = False  # the fault lets no answered write be lost, whoever leads afterwards
        self._moved = False

    def strike(self) -> None:
        self._polite = self._moved = False
        super().strike()

    def mend(self) -> None:
        """Heal, and see who leads now: a history whose master was replaced may have lost what was not promised."""
        before = self.six.shards
        self.six.heal()
        self.six.settle()
        self.six.wait_for_replicas()
        self.six.moving = False
        after = {shard.branch: shard for shard in self.six.shards}
        self.known |= set(after)
        if self._moved and not {shard.branch for shard in before} <= set(after):
            raise Void
        for shard in before:
            same_leads = any(now.master is shard.master for now in after.values())
            if shard.branch not in after and not same_leads and not self._polite:
                self.may_lose.add(shard.branch)

    # ---- who
    def a_shard(self) -> Shard:
        return self.chosen.choice(self.six.shards)

    def a_master(self) -> Member:
        return self.a_shard().master

    def leads(self, shard: Shard) -> None:
        """Until its replica is the master."""
        wait_until(lambda: shard.replica.call("ROLE")[0] == b"master", "a replica that takes over", SETTLED_IN)

    def heads(self) -> bool:
        return self.chosen.random() < 0.5

    # ---- deaths
    def kill_a_replica(self) -> None:
        node = self.a_shard().replica
        node.kill()
        self.meanwhile()
        node.start()

    def kill_a_master(self) -> None:
        shard = self.a_shard()
        shard.master.kill()
        self.leads(shard)
        self.meanwhile()
        shard.master.start()

    def kill_a_master_and_restart_it(self) -> None:
        node = self.a_master()
        node.kill()
        node.start()

    def restart_a_master(self) -> None:
        """In an orderly way: it waits for its replica."""
        self._polite = True
        node = self.a_master()
        code = node.stop()
        assert code == 0, f"SIGTERM ended the master with {code}"
        node.start()

    # ---- pauses and links
    def pause_a_master(self) -> None:
        shard = self.a_shard()
        shard.master.signal(signal.SIGSTOP)
        if self.heads():
            self.leads(shard)
        self.meanwhile_or_silence()
        shard.master.signal(signal.SIGCONT)

    def pause_a_replica(self) -> None:
        node = self.a_shard().replica
        node.signal(signal.SIGSTOP)
        self.meanwhile()
        node.signal(signal.SIGCONT)

    def part_a_master(self) -> None:
        """From all nodes, but not from its clients."""
        shard = self.a_shard()
        self.six.part([shard.master])
        if self.chosen.random() < 0.7:
            self.leads(shard)
        self.meanwhile()

    def part_a_shard(self) -> None:
        """Both nodes together: nobody may take over."""
        shard = self.a_shard()
        self.six.part([shard.master, shard.replica])
        if self.heads():
            wait_until(lambda: b"cluster_state:fail" in shard.master.call("CLUSTER", "INFO"), "the minority stops",
                       SETTLED_IN)  # fmt: skip
        self.meanwhile_or_silence()

    def cut_links(self) -> None:
        """Of the bus and of replication, one node after the other."""
        for _ in range(self.chosen.randint(1, 4)):
            self._cut_some()
            self.meanwhile()

    def _cut_some(self) -> None:
        node = self.chosen.choice(self.six.nodes)
        self.chosen.choice((node.for_nodes, node.for_bus)).cut(reset=self.heads())

    def cut_clients(self) -> None:
        for _ in range(self.chosen.randint(1, 5)):
            self.chosen.choice(self.six.nodes).for_clients.cut(reset=self.heads())
            self.meanwhile()

    # ---- what operators do
    def fail_over(self) -> None:
        """By agreement: nothing that was answered may be lost."""
        shard = self.a_shard()
        epoch = self._epoch()
        if self._asked(shard):
            self._polite = self._epoch() == epoch + 1  # else somebody was elected besides
        else:
            self.done["fail over, given up"] += 1

    def take_over(self) -> None:
        """The master is not asked."""
        shard = self.a_shard()
        self._asked(shard, self.chosen.choice(("FORCE", "TAKEOVER")))

    def _asked(self, shard: Shard, *how: str) -> bool:
        """Whether the replica leads then; masters vote about one shard only now and then."""
        for _ in range(3):
            told = shard.replica.call("CLUSTER", "FAILOVER", *how)
            assert told == "OK", told
            try:
                wait_until(lambda: shard.replica.call("ROLE")[0] == b"master", "a failover", 6)
            except AssertionError:
                continue
            return True
        return False

    def _epoch(self) -> int:
        return int(self.six.state(self.six[0])["cluster_current_epoch"])

    def move_a_slot(self) -> None:
        """One that is written to, key by key, as redis-cli does it."""
        self._move(_nothing, _nothing)

    def move_a_slot_amid_faults(self) -> None:
        """Links break, and a replica dies or stands still; it comes back when its master will not take keys without."""
        replica = self.a_shard().replica
        dies = self.heads()
        away = [replica]

        def come_back() -> None:
            if away:
                away.clear()
                replica.start() if dies else replica.signal(signal.SIGCONT)

        replica.kill() if dies else replica.signal(signal.SIGSTOP)
        self._move(self._cut_some, come_back)
        come_back()

    def _move(self, meanwhile: Callable[[], None], refused: Callable[[], None]) -> None:
        try:
            self._move_keys(meanwhile, refused)
        except AssertionError as error:
            if any(shard.master.call("ROLE")[0] != b"master" for shard in self.six.shards):
                raise Void from error
            raise

    def _move_keys(self, meanwhile: Callable[[], None], refused: Callable[[], None]) -> None:
        self._moved = self.six.moving = True
        slot, shard, to = self._a_way()
        source, target = shard.master, to.master
        for node, word, other in ((target, "IMPORTING", source), (source, "MIGRATING", target)):
            told = node.call("CLUSTER", "SETSLOT", slot, word, self.six.name(other))
            assert told == "OK", told
        self.meanwhile()
        while keys := source.call("CLUSTER", "GETKEYSINSLOT", slot, KEYS_AT_ONCE):
            meanwhile()
            told = source.call("MIGRATE", "127.0.0.1", target.for_nodes.port, "", 0, MIGRATE_MS, "REPLACE", "KEYS",
                               *keys)  # fmt: skip
            if isinstance(told, RespError):  # it is tried again
                assert told.code == "IOERR" or any(word in told.text for word in NOT_NOW), told
                if told.code != "IOERR":
                    refused()
            self.meanwhile_or_silence()
        for node in sorted((shard.master for shard in self.six.shards), key=lambda node: node is not target):
            told = node.call("CLUSTER", "SETSLOT", slot, "NODE", self.six.name(target))
            assert told == "OK", told


    def _a_way(self) -> tuple[int, Shard, Shard]:
        """A slot that is written to, whose it is, and whose it may become."""
        tag = self.chosen.choice(TAGS)
        source = next(shard for shard in self.six.shards
                      if not isinstance(shard.master.call("EXISTS", f"{{{tag}}}"), RespError))  # fmt: skip
        target = self.chosen.choice([shard for shard in self.six.shards if shard is not source])
        return hash_slot(tag.encode()), source, target

    def move_at_once(self) -> None:
        """By CLUSTER MIGRATESLOTS; no answered write may be lost, and nothing be there twice."""
        self._polite = True
        slot, source, target = self._a_way()
        self._begin_to_move(slot, source.master, target.master)
        self.meanwhile()
        wait_until(lambda: self._moved_at_once(source.master) in ENDED, "the end of it", SETTLED_IN)
        assert self._moved_at_once(source.master) == b"success", source.master.call("CLUSTER", "GETSLOTMIGRATIONS")

    def move_at_once_amid_faults(self) -> None:
        """Links break, and one of the two masters dies: it comes back at once, or its replica takes its place."""
        slot, source, target = self._a_way()
        self._begin_to_move(slot, source.master, target.master)
        for _ in range(self.chosen.randint(0, 2)):
            self._cut_some()
            self.meanwhile_or_silence()
        shard = self.chosen.choice((source, target))
        shard.master.kill()
        if self.heads():
            self.leads(shard)
        self.meanwhile_or_silence()
        shard.master.start()

    def _begin_to_move(self, slot: int, source: Member, target: Member) -> None:
        """As soon as it may: what left there before has to be gone."""
        words = ("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", self.six.name(target))
        wait_until(lambda: source.call(*words) == "OK", "a migration begins", SETTLED_IN)

    def _moved_at_once(self, source: Member) -> bytes:
        """How its last migration stands."""
        told = source.call("CLUSTER", "GETSLOTMIGRATIONS")[0]
        return dict(zip(told[::2], told[1::2], strict=True))[b"state"]


def _nothing() -> None:
    pass
