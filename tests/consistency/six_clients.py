"""Clients of a cluster that write down what they did: they follow redirects."""

import time
from collections.abc import Sequence
from functools import partial

from tests.consistency.clients import PAUSE_SECONDS, Done, Load, Stranger, Words, commands_of
from tests.consistency.history import Outcome
from tests.consistency.six import Member, Six
from tests.support.resp import RespError

TAGS = "abcdefghi"  # each is a slot; every master has some
LISTS = 2  # of each tag, in use at a time
VALUES = 300  # handed out until another list takes a list's place
LOOKS = 20  # of a reader, until it goes elsewhere


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
        self.asking: dict[str, Member] = {}  # whom to ask about a tag, once

    def do(self, tag: str, commands: Sequence[Words], *, waits: bool = False) -> Done | None:
        """Do them at once where the tag is served. None: nobody was reached."""
        asked = self.asking.pop(tag, None)
        member = asked or self.owners.get(tag) or self.chosen.choice(self.six.nodes)
        if not self.reach(member.for_clients.port):
            self.owners.pop(tag, None)
            time.sleep(PAUSE_SECONDS)
            return None
        done = self.transact(commands, waits=waits, asking=asked is not None)
        if done.outcome is Outcome.UNKNOWN:
            self.owners.pop(tag, None)
        elif done.error is not None:
            self._redirected(tag, done.error)
        return done

    def _redirected(self, tag: str, error: RespError) -> None:
        """Where it will be asked next; or after a while, of anybody."""
        words = error.text.split()
        if words[0] in ("MOVED", "ASK"):
            member = self.six.by_port[int(words[2].rpartition(":")[2])]
            (self.owners if words[0] == "MOVED" else self.asking)[tag] = member
            return
        assert words[0] in ("CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "READONLY", "LOADING", "MASTERDOWN"), error
        if words[0] != "TRYAGAIN":
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
        self.asking.clear()
        steps = self.some_steps(0, braced(tag))
        done = self.do(tag, [*commands_of(steps), ("GET", register(tag))])
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
