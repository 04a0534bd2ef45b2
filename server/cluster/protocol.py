"""One node's part in the protocol of Redis Cluster: what comes in, and what is to be done for it.

    receive(link, message, now)     a message came
    link_up, link_lost              a link that was asked for is open; any link is gone
    tick(now)                       ten times a second
    before_sleep(now)               once at the end of a turn of the loop, after all of these
    operator                        what CLUSTER's subcommands ask for

Each returns actions (actions.py), in order. Time comes in as ms of the wall clock, chance from the `rng` that is
given; no socket, no file, no clock is touched, so a cluster of hundreds runs in one test under a clock of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from server.cluster.actions import Action, Deliver, Outbox, Pause, Save, SlotsMoved
from server.cluster.claims import Claims
from server.cluster.contact import Contact
from server.cluster.election import Election
from server.cluster.failures import Failures
from server.cluster.gossip import Hearing
from server.cluster.health import Health
from server.cluster.manual import MANUAL_MS, PAUSE_MS, ManualFailover
from server.cluster.messages import (
    HANDSHAKE,
    MYSELF,
    NOADDR,
    NOFAILOVER,
    PAUSED,
    PFAIL,
    Failing,
    Heartbeat,
    Message,
    Published,
    Type,
    Update,
)
from server.cluster.migrants import Migrants
from server.cluster.node import Link, Node
from server.cluster.operator import Operator
from server.cluster.roles import Roles
from server.cluster.settings import Local, Settings
from server.cluster.speaker import Speaker
from server.cluster.view import View
from server.cluster.votes import Votes
from server.registry.light import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

TICKS_PER_RANDOM_PING = 10
RANDOM_PING_CANDIDATES = 5


class Protocol:
    """A node. settings: called whenever they are needed, so that they may change; local: our own server."""

    def __init__(self, view: View, settings: Callable[[], Settings], local: Local, rng: Random) -> None:
        self.view = view
        self._settings = settings
        self._local = local
        self._rng = rng
        self._out = out = Outbox()
        self.manual = ManualFailover()
        self.speaker = Speaker(view, settings, local, self.manual, rng, out)
        self._roles = Roles(view, settings, self.manual, out)
        self.failures = Failures(view, settings, self.speaker, out)
        self._contact = Contact(view, settings, self.speaker, self._roles, rng, out)
        self._claims = Claims(view, settings, self.speaker, self._roles, out)
        self._hearing = Hearing(view, self.failures, self._contact, rng, out)
        self._votes = Votes(view, settings, self.speaker, out)
        self._election = Election(view, settings, local, self.speaker, self._roles, self.manual, rng, out)
        self._migrants = Migrants(view, settings, self._roles, out)
        self._health = Health(view, settings, out)
        self.operator = Operator(view, settings, local, self.speaker, self._roles, self._contact, self._election,
                                 self.manual, rng, out)
        self.received = [0] * len(Type)
        self._ticks = 0
        self._by_type: dict[Type, Callable[[Node, Message, int], None]] = {
            Type.FAIL: self._fail, Type.PUBLISH: self._publish, Type.PUBLISHSHARD: self._publish,
            Type.FAILOVER_AUTH_REQUEST: self._votes.asked, Type.FAILOVER_AUTH_ACK: self._vote,
            Type.UPDATE: self._update, Type.MFSTART: self._manual_start}

    # ---- messages
    def receive(self, link: Link, message: Message, now: int) -> list[Action]:
        """A message came by a link, which may be closed among the actions."""
        kind = message.type
        self.received[kind] += 1
        sender = self._contact.sender_of(link, message)
        if sender is self.view.myself:
            self._ourselves(link, message, now)
            return self._out.take()
        if sender is not None:
            sender.data_received = now
            if not sender.flags & HANDSHAKE:
                self._header(sender, message)
        if kind <= Type.MEET:
            self._heartbeat(link, sender, message, now)
        elif sender is not None and kind in self._by_type:
            self._by_type[kind](sender, message, now)
        elif sender is None and kind == Type.FAIL:
            self._out.note("notice", f"Ignoring FAIL message from unknown node {message.sender}")
        return self._out.take()

    def _ourselves(self, link: Link, message: Message, now: int) -> None:
        """We were told to meet ourselves, or somebody has taken our name: it is answered, and nothing is believed."""
        if message.type in (Type.PING, Type.MEET):
            self.speaker.heartbeat(link, Type.PONG, now)
        if message.type <= Type.MEET and not link.inbound and link.node is not None:
            if link.node.in_handshake:
                self._contact.remove(link.node)
            else:
                self._contact.answer_from(link, None, message, now)

    def _header(self, sender: Node, message: Message) -> None:
        """Epochs and offset; every message carries them."""
        view = self.view
        if message.current_epoch > view.current_epoch:
            view.current_epoch = message.current_epoch
            self._out.changed()
        if message.config_epoch > sender.config_epoch:
            sender.config_epoch = message.config_epoch
            if not message.master or sender.master is None:         # of a replica the file keeps its master's
                self._out.changed(fsync=True)
        sender.offset = message.offset
        manual = self.manual
        if manual.active and manual.master_offset is None and message.marks & PAUSED and (
                view.myself.is_replica and view.myself.master is sender):
            manual.master_offset = message.offset
            self._out.check_manual = True
            self._out.note("notice", f"Received replication offset for paused master manual failover: {message.offset}")

    def _heartbeat(self, link: Link, sender: Node | None, message: Message, now: int) -> None:
        """PING, PONG or MEET."""
        if message.type != Type.PONG:
            self._contact.learn_own_address(link, message.type)
            if sender is None and message.type == Type.MEET:
                self._contact.met(link, message, now)
            self.speaker.heartbeat(link, Type.PONG, now)
        if not link.inbound and not self._contact.answer_from(link, sender, message, now):
            return
        if sender is not None:
            sender.flags = sender.flags & ~NOFAILOVER | message.flags & NOFAILOVER
            if message.type == Type.PING and not sender.flags & HANDSHAKE:
                self._contact.update_address(sender, link, message)
        if not link.inbound and message.type == Type.PONG and link.node is not None:
            link.node.pong_received = now
            link.node.ping_sent = 0
            self.failures.answered(link.node, now)
        if sender is not None:
            self._role(sender, message)
            self._slots(sender, message)
            if isinstance(message.body, Heartbeat):
                self._hearing.gossip(message.body.gossip, sender, now)
                self._hearing.about_itself(message.body, sender, now)

    def _role(self, sender: Node, message: Message) -> None:
        """Whether it calls itself a master, and whose replica it is if not."""
        view = self.view
        if not message.master:
            if view.make_master(sender):
                self._out.changed(health=True)
            return
        if not sender.is_replica:
            lost = view.make_replica(sender)
            if lost:
                self._out.add(SlotsMoved(lost))
            self._out.changed(health=True)
        master = view.nodes.get(message.master)
        if master is not None and master is not sender and sender.master is not master:
            view.set_master(sender, master)
            sender.shard_id = master.shard_id
            self._out.changed()

    def _slots(self, sender: Node, message: Message) -> None:
        """Whether it claims what we know; if not, one of us learns."""
        shown = sender if sender.is_master else sender.master
        if shown is not None and shown.slots != message.slots:
            if sender.is_master:
                self._claims.claim(sender, message.config_epoch, message.slots)
            self._claims.correct(sender, message.config_epoch, message.slots)
        if sender.is_master and self.view.myself.is_master:
            self._claims.collide(sender)

    def _fail(self, sender: Node, message: Message, now: int) -> None:
        assert isinstance(message.body, Failing)
        node = self.view.nodes.get(message.body.name)
        if node is not None:
            self.failures.told(node, sender, now)

    def _publish(self, sender: Node, message: Message, now: int) -> None:
        assert isinstance(message.body, Published)
        self._out.add(Deliver(message.body, message.type == Type.PUBLISHSHARD))

    def _vote(self, sender: Node, message: Message, now: int) -> None:
        if sender in self.view.voters:
            self._election.voted(message.current_epoch)

    def _update(self, sender: Node, message: Message, now: int) -> None:
        """Somebody else's slots, from one who knows better."""
        assert isinstance(message.body, Update)
        epoch, node = message.body.config_epoch, self.view.nodes.get(message.body.name)
        if node is None or node.config_epoch >= epoch:
            return
        if node is not self.view.myself:
            self.view.make_master(node)
        node.config_epoch = epoch
        self._out.changed(fsync=True, health=True)
        self._claims.claim(node, epoch, message.body.slots)

    def _manual_start(self, sender: Node, message: Message, now: int) -> None:
        """A replica of ours is to take over: hold our writers, and tell where we stand."""
        if sender.master is not self.view.myself:
            return
        self._roles.end_manual()
        self.manual.until = now + MANUAL_MS
        self.manual.replica = sender
        self._out.add(Pause(now + PAUSE_MS))
        self._out.note("notice", f"Manual failover requested by replica {sender.name} ({sender.nodename}).")
        if sender.link is not None:
            self.speaker.heartbeat(sender.link, Type.PING, now)

    # ---- links
    def link_up(self, link: Link, now: int) -> list[Action]:
        """A link that was asked for (Connect) is open."""
        self._contact.opened(link, now)
        return self._out.take()

    def link_lost(self, link: Link, now: int) -> list[Action]:
        """Any link is gone, or could not be opened."""
        if not link.inbound and link.node is not None and link.node.link is link and not link.node.ping_sent:
            link.node.ping_sent = now       # from now on it has not answered
        self._contact.unlink(link)
        return self._out.take()

    # ---- what was asked for
    def asked(self) -> list[Action]:
        """After `operator` or `speaker.publish`."""
        return self._out.take()

    def configured(self) -> list[Action]:
        """At the start, and when the settings have changed."""
        self._contact.configured()
        return self._out.take()

    def take_touched(self) -> bool:
        """Whether anything has changed since the last call that clients are served by: owners, addresses, roles, ways
        of slots, the state. It may say so of other things, too."""
        touched, self._out.touched = self._out.touched, False
        return touched

    @property
    def unsettled(self) -> bool:
        """Whether `before_sleep` has something to see to."""
        out = self._out
        return out.save or out.check_health or out.check_election or out.check_manual

    # ---- time
    def tick(self, now: int) -> list[Action]:
        """What time brings. Ten times a second.

        Complexity: O(nodes).
        """
        self._ticks += 1
        me = self.view.myself
        self._keep_links(now)
        if self._ticks % TICKS_PER_RANDOM_PING == 0:
            self._ping_somebody(now)
        self._watch_all(now)
        self._roles.follow_address()
        if self.manual.active and self.manual.until < now:
            self._out.note("warning", "Manual failover timed out.")
            self._roles.end_manual()
        if me.is_replica:
            self._step_manual()
            self._election.step(now)
            if me.is_replica:
                self._migrants.step(now)
        if not self.view.ok:
            self._out.check_health = True
        return self._out.take()

    def _keep_links(self, now: int) -> None:
        """A link to every node. Of nearly all there is nothing to do, which is found out on the spot: there may be a
        thousand."""
        failing = 0
        for node in list(self.view.nodes.values()):
            flags = node.flags
            if flags & (PFAIL | NOADDR) == PFAIL:
                failing += 1
            if node.link is None or flags & HANDSHAKE:
                self._contact.keep_linked(node, now)
        self.speaker.failing = failing

    def _watch_all(self, now: int) -> None:
        settings = self._settings()
        rested = now - (settings.ping_interval or settings.node_timeout // 2)
        ours = self.manual.replica if self.view.myself.is_master else None
        for node in list(self.view.nodes.values()):
            if node.ping_sent or node.pong_received < rested or node is ours:
                if not node.flags & (MYSELF | NOADDR | HANDSHAKE):
                    self._watch(node, now, settings, pinged_always=node is ours)

    def _ping_somebody(self, now: int) -> None:
        """Of a few by chance, the one that we heard from the longest ago."""
        chosen = self._rng.choices(list(self.view.nodes.values()), k=RANDOM_PING_CANDIDATES)
        fit = [node for node in chosen
               if node.link is not None and not node.ping_sent and not node.flags & (MYSELF | HANDSHAKE)]
        if fit:
            oldest = min(fit, key=lambda node: node.pong_received)
            assert oldest.link is not None
            self.speaker.heartbeat(oldest.link, Type.PING, now)

    def _watch(self, node: Node, now: int, settings: Settings, *, pinged_always: bool) -> None:
        """Ping it when it is time; suspect it when it does not answer."""
        timeout = settings.node_timeout
        silence = now - node.data_received
        link = node.link
        if node.ping_sent and link is not None and now - link.created > timeout and (
                min(now - node.ping_sent, silence) > timeout // 2):
            self._contact.close(link)       # it may be the link alone that is broken
            link = None
        if link is not None:
            interval = settings.ping_interval or timeout // 2
            if not node.ping_sent and now - node.pong_received > interval or pinged_always:
                self.speaker.heartbeat(link, Type.PING, now)
                return
        if node.ping_sent and min(now - node.ping_sent, silence) > timeout:
            self.failures.suspected(node, now)

    def _step_manual(self) -> None:
        """Whether we have all that our paused master has written."""
        manual = self.manual
        if manual.active and not manual.may_start and manual.master_offset is not None:
            if manual.master_offset == self._local.offset():
                manual.may_start = True
                self._out.check_election = True
                self._out.note("notice", "All master replication stream processed, manual failover can start.")
            else:
                self._out.check_manual = True

    def before_sleep(self, now: int) -> list[Action]:
        """What is seen to once a turn, however much happened in it. `Save` comes first."""
        out = self._out
        manual, election = out.check_manual, out.check_election
        out.check_manual = out.check_election = False
        if self.view.myself.is_replica and (manual or election):
            if manual:
                self._step_manual()
            self._election.step(now)
        if out.check_health:
            out.check_health = False
            self._health.update(now)
        actions = out.take()
        if out.save:
            actions.insert(0, Save(out.fsync, out.soon and not out.fsync))
            out.save = out.fsync = out.soon = False
        return actions
