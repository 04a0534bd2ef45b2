"""Clients of a cluster that write down what they did: they follow redirects."""

import time
from collections.abc import Sequence
from functools import partial

from tests.consistency.clients import PAUSE_SECONDS, Done, Load, Stranger, Words, commands_of
from tests.consistency.history import BETWEEN, Outcome
from tests.consistency.six import Member, Six
from tests.support.resp import RespError

TAGS = "abcdefghi"  # each is a slot; every master has some
LISTS = 2  # of each tag, in use at a time
VALUES = 300  # handed out until another list takes a list's place
LOOKS = 20  # of a reader, until it goes elsewhere
REFUSALS = ("ASK", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "READONLY", "LOADING", "MASTERDOWN", "UNBLOCKED")


def load_on(six: Six, seed: int, *, writers: int = 4, readers: int = 2) -> Load:
    """Clients of a cluster."""
    roles = [partial(_Writer, six)] * writers + [partial(_Reader, six)] * readers
    return Load(seed, roles, lists=LISTS, values=VALUES)


class _OfSix(Stranger):
    """It knows where tags are served, as far as it was told."""

    def __init__(self, six: Six, load: Load, number: int, seed: int) -> None:
        super().__init__(load, number, seed)
        self.six = six
        self.owners: dict[str, Member] = {}  # of tags

    def do(self, tag: str, commands: Sequence[Words], *, waits: bool = False) -> Done | None:
        """Do them at once where the tag is served. None: nobody was reached."""
        done = self._do_at(self.owners.get(tag) or self.chosen.choice(self.six.nodes), commands, waits)
        if done is not None and done.error is not None and done.error.code == "ASK":  # for these keys, and once
            done = self._do_at(self._named(done.error), commands, waits, asking=True)
        if done is None or done.outcome is Outcome.UNKNOWN:
            self.owners.pop(tag, None)
        elif done.error is not None:
            self._refused(tag, done.error)
        return done

    def _do_at(self, member: Member, commands: Sequence[Words], waits: bool, *, asking: bool = False) -> Done | None:
        if self.reach(member.for_clients.port):
            return self.transact(commands, waits=waits, asking=asking)
        time.sleep(PAUSE_SECONDS)
        return None

    def _named(self, error: RespError) -> Member:
        return self.six.by_port[int(error.text.rpartition(":")[2])]

    def _refused(self, tag: str, error: RespError) -> None:
        """Where the next one will be asked; or after a while, of anybody."""
        if error.code == "MOVED":
            self.owners[tag] = self._named(error)
            return
        assert error.code in REFUSALS, error
        if error.code != "TRYAGAIN":
            self.owners.pop(tag, None)
        time.sleep(PAUSE_SECONDS)


class _Writer(_OfSix):
    """Transactions and registers on masters; half of the time it waits for the replica."""

    def act(self) -> None:
        tag = self.chosen.choice(TAGS)
        if self.chosen.random() < 0.3:
            self.visit(register(tag), lambda words: self.do(tag, [words]))
            return
        steps = self.some_steps(0.6, braced(tag))
        done = self.do(tag, commands_of(steps), waits=self.chosen.random() < 0.5)
        if done is not None:
            self.note_steps(steps, done)


class _Reader(_OfSix):
    """Looks at several lists of a tag at once, and at its register, on one node after the other, replicas too."""

    hello = ("READONLY",)
    left = 0

    def act(self) -> None:
        self.left -= 1
        if self.left < 0:
            self.left, self.at = LOOKS, self.chosen.choice(self.six.nodes)
        tag = self.chosen.choice(TAGS)
        self.owners = {tag: self.at}
        steps = self.some_steps(0, braced(tag))
        moving = self.six.moving
        done = self.do(tag, [*commands_of(steps), ("GET", register(tag))])
        if done is not None and done.by_replica and (moving or self.six.moving):
            done.branch = BETWEEN
        time.sleep(PAUSE_SECONDS)
        if done is None or done.outcome is Outcome.UNKNOWN:
            self.left = 0
        elif done.outcome is Outcome.OK:
            self.note_steps(steps, done, f" at {self.at.port}")
            self.note_visit(register(tag), None, done)


def braced(tag: str) -> str:
    return f"{{{tag}}}"


def register(tag: str) -> str:
    return f"{braced(tag)}register"
