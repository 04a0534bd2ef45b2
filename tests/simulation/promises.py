"""What must hold after every step of a simulation, whatever the network does.

    never two masters that serve one slot in the same config epoch
    no epoch goes back: the current one of a process, a master's config epoch, the epoch of the last vote
    one vote of a master in an epoch
    a FAIL has the majority behind it: each of the masters that are counted said so, lately
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from server.cluster.actions import Action, Send, Verdict
from server.cluster.messages import FAIL, PFAIL, Heartbeat, Type

if TYPE_CHECKING:
    from tests.simulation.machine import Machine


class Broken(AssertionError):
    """A promise was broken."""


class Promises:
    """Looks at each machine after each of its turns. slack: ms that a message may have been on its way."""

    def __init__(self, slack: int) -> None:
        self.slack = slack
        self.machines: list[Machine] = []
        self.verdicts = 0
        self.wins = 0
        self._serving: dict[int, tuple[int, int]] = {}          # machine: config epoch and slots, as a master
        self._current: dict[int, int] = {}
        self._config: dict[int, int] = {}
        self._voted: dict[int, int] = {}
        self._votes: set[tuple[int, int]] = set()
        self._said: dict[tuple[str, str], int] = {}             # who said that whom is failing, and when

    def started(self, machine: "Machine") -> None:
        """Its current epoch may be an older one, which it has promised nothing in."""
        self._current[machine.number] = machine.protocol.view.current_epoch

    def stopped(self, machine: "Machine") -> None:
        self._serving.pop(machine.number, None)

    def after(self, machine: "Machine", actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                self._sent(machine, action)
            elif isinstance(action, Verdict):
                self._verdict(machine, action)
        self._epochs(machine)
        self._slots(machine)

    def _sent(self, machine: "Machine", action: Send) -> None:
        message = action.message
        if isinstance(message.body, Heartbeat):
            for entry in message.body.gossip:
                if entry.flags & (FAIL | PFAIL):
                    self._said[message.sender, entry.name] = machine.network.now
        elif message.type == Type.FAILOVER_AUTH_ACK:
            vote = machine.number, message.current_epoch
            if vote in self._votes:
                raise Broken(f"{machine.number} votes twice in epoch {message.current_epoch}")
            self._votes.add(vote)

    def _verdict(self, machine: "Machine", verdict: Verdict) -> None:
        self.verdicts += 1
        view = machine.protocol.view
        serving = [node for node in view.nodes.values() if node.is_master and node.slots]
        if len(verdict.masters) * 2 <= len(serving) or not verdict.masters <= {node.name for node in serving}:
            raise Broken(f"{machine.number}: FAIL of {verdict.name} by {len(verdict.masters)} of {len(serving)}")
        oldest = machine.network.now - machine.settings.report_ms - self.slack
        for name in verdict.masters - {view.myself.name}:
            if self._said.get((name, verdict.name), 0) < oldest:
                raise Broken(f"{machine.number}: {name} never said that {verdict.name} is failing, or long ago")

    def _epochs(self, machine: "Machine") -> None:
        view = machine.protocol.view
        me, number = view.myself, machine.number
        for what, table, epoch in (("current", self._current, view.current_epoch),
                                   ("last vote", self._voted, view.last_vote_epoch),
                                   ("config", self._config, me.config_epoch if me.is_master else None)):
            if epoch is None:
                continue
            if epoch < table.get(number, 0):
                raise Broken(f"{number}: {what} epoch {table[number]} goes back to {epoch}")
            table[number] = epoch
        if me.config_epoch > view.current_epoch:
            raise Broken(f"{number}: config epoch {me.config_epoch} is beyond the current one, {view.current_epoch}")

    def _slots(self, machine: "Machine") -> None:
        me = machine.protocol.view.myself
        mine = (me.config_epoch, me.slots) if me.is_master and me.slots else None
        if mine == self._serving.get(machine.number):
            return
        if mine is None:
            self._serving.pop(machine.number, None)
            return
        self.wins += 1
        self._serving[machine.number] = mine
        for number, (epoch, slots) in self._serving.items():
            if number != machine.number and epoch == mine[0] and slots & mine[1]:
                raise Broken(f"{number} and {machine.number} serve the same slots in epoch {epoch}")
