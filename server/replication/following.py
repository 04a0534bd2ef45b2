"""The replica's side: one master, followed for as long as nobody says otherwise, over one link after the other.

    connect -> connecting -> handshake -> sync -> connected
       ^ retried each second   |  +CONTINUE ---------^  the link becomes the connection of a client, MASTER, whose
       +---- any failure ------+                        commands the loop runs in `run_master`

In a sync over two connections (`two_connections`) the link carries the stream at once, and the client gets it later.
What was applied is told by the stream's offset: it counts the master's own bytes, which go on to our own replicas as
they came. So everybody below one master shares its history, and the next attempt asks for what comes behind it.
"""

from collections.abc import Callable
from functools import partial

from iothreads.connect import LinkProtocol
from iothreads.link import RAW, Link
from server.clients.client import DENY_BLOCKING, MASTER, PAUSED, Client
from server.persistence.rdb_load import BadFile
from server.registry.light import Any
from server.replication.arrival import Arrival, Refused
from server.replication.empty_master import Refusal
from server.replication.handshake import (
    NONE_KNOWN,
    Action,
    Continue,
    Failed,
    FullSync,
    Handshake,
    SecondConnection,
    Send,
    acknowledgement,
)
from server.replication.master import seconds
from server.replication.payload import Payload, PayloadError
from server.replication.seams import Attempt, FollowingParts, Load
from server.replication.tally import DOWN, REPLICA, UP
from server.replication.two_connections import TwoConnections

CONNECT, CONNECTING, HANDSHAKE, SYNC, CONNECTED = "connect", "connecting", "handshake", "sync", "connected"


class Following(LinkProtocol):
    """We follow host:port. failover: its master hands over to it, whatever on_failover(well) then hears."""

    def __init__(self, parts: FollowingParts, host: str, port: int, *, failover: bool = False,
                 on_failover: Callable[[bool], None] = lambda well: None) -> None:
        self.parts = parts
        self._config = parts.config
        self._log = parts.log
        self.host = host
        self.port = port
        self.state = CONNECT
        self.over = False                  # somebody else is followed now, or nobody
        self.client: Client | None = None  # the master's, while we are connected
        self.down_since = seconds()
        self.failover = failover           # the first attempt takes the mastership over
        self.on_failover = on_failover
        self.refusal = Refusal()           # the master has no data and we kept ours (replica-refuse-empty-master)
        self._known = True                 # our history may be asked for; False: after a full sync that began to load
        self.data_gone = False             # a snapshot began to take the place of our data, and has not come whole
        self._handshake: Handshake | None = None
        self._attempt: Attempt | None = None
        self.link: Link | None = None      # to the master, until it is its client's
        self.enciphered = False           # the present connection is
        self.heard = seconds()
        self.asked = False                 # REPLCONF GETACK came: answered when what came with it counts as applied
        self._full: FullSync | None = None
        self._arrival: Arrival | None = None
        self._working = False              # `_work` is a hook of the loop
        self._two: TwoConnections | None = None            # the snapshot does not come by the link
        self.may_use_two = True            # False: the master could not do it after all
        self.ahead_peak = 0                # bytes of the stream that once waited for a snapshot
    # ---- for INFO and ROLE
    @property
    def connected(self) -> bool:
        """Whether the stream flows."""
        return self.state == CONNECTED

    @property
    def role_offset(self) -> int:
        """How much was applied; -1 without a link."""
        return self.parts.stream.offset if self.connected else -1

    @property
    def holds_its_history(self) -> bool:
        """Whether our data are what the offset says: not while a full sync lasts, nor after one that began to load."""
        return self._known and self.state != SYNC

    @property
    def silent_seconds(self) -> int:
        """master_last_io_seconds_ago; -1 without a link."""
        if self.client is None:
            return -1
        return int(seconds() - self.client.active_us / 1e6)

    @property
    def received(self) -> int:
        """Bytes of the stream that the present connection has brought."""
        return self.client.bytes_in if self.client is not None else 0

    @property
    def ahead_bytes(self) -> int:
        """Of the stream, that wait for the snapshot or to be executed behind it."""
        return self._two.waiting_bytes if self._two is not None else 0

    # ---- attempts
    def tick(self) -> None:
        """Once a second: try again, notice silence, tell the master how far we are."""
        timeout = self._config.repl_timeout
        if self.state == CONNECT and self.refusal.forbids(self._config):
            return
        if self.state == CONNECT:
            self._log.notice("Connecting to MASTER %s:%d", self.host, self.port)
            self.connect()
        elif self.state in (CONNECTING, HANDSHAKE) and self._waited() > timeout:
            self._log.warning("Timeout connecting to the MASTER...")
            self.abort("timed out")
        elif self.state == SYNC and seconds() - self.heard > timeout:
            self._log.warning("Timeout receiving bulk data from MASTER... If the problem persists try to set the "
                              "'repl-timeout' parameter in redis.conf to a larger value.")
            self.abort("timed out")
        elif self.state == SYNC and self.link is not None:
            self.link.write(b"\n")        # the master shall know that we live, however long loading takes
        elif self.client is not None:
            if self.silent_seconds > timeout and not self.client.has(PAUSED):
                self._log.warning("MASTER timeout: no data nor PING received...")
                self.client.close()
            else:
                self.acknowledge()

    def _waited(self) -> float:
        """Seconds since anything came: a newline, which is no reply, says that a snapshot is still to be begun."""
        heard = 0 if self.link is None else self.link.heard_us
        return seconds() - max(self.heard, heard / 1e6)

    def connect(self) -> None:
        """Begin an attempt."""
        self.state = CONNECTING
        self.heard = seconds()
        source = self._config.bind_source_addr or ""
        tls = self.parts.tls()
        self.enciphered = tls is not None
        self._attempt = self.parts.connector.connect(self.host, self.port, self, source=source,
                                                      timeout_ms=self._config.repl_timeout * 1000, tls=tls)
        self._log.notice("MASTER <-> REPLICA sync started")

    def abort(self, reason: str) -> None:
        """End the attempt under way; connection_lost follows."""
        if self._two is not None:
            self._two.close_second()
        if self.link is not None:
            self.link.close(reason=reason)
        elif self._attempt is not None:
            self._attempt.abort(reason)
        elif self._two is not None and self.client is None and not self.over:
            self.connection_lost(None, reason)     # the second one had gone on alone

    def stop(self) -> None:
        """We follow somebody else, or nobody: nothing of this is heard any more."""
        self.over = True
        self.abort("not followed any more")
        if self.client is not None:
            client = self.client
            self._disconnected()
            client.close()
        self._drop_sync()

    # ---- the link
    def connection_made(self, link: Link) -> None:
        """Connected."""
        if self.over:
            link.close()
            return
        self.link = link
        self.heard = seconds()
        self.state = HANDSHAKE
        self._log.notice("Non blocking connect for SYNC fired the event.")
        config, history = self._config, self.parts.history
        if not self._known:
            self._log.notice("Partial resynchronization not possible (no cached master)")
        self._handshake = Handshake(
            config.replica_announce_port or self.parts.port, config.replica_announce_ip or "", config.masteruser or "",
            config.masterauth or b"", history.id if self._known else NONE_KNOWN, self.parts.stream.offset,
            self.failover, config.dual_channel_replication_enabled and self.may_use_two, note=self._note)
        self._do(self._handshake.begin())

    def _note(self, level: str, text: str) -> None:
        getattr(self._log, level)("%s", text)

    def reply_received(self, link: Link, value: Any) -> None:
        """An answer to our handshake."""
        self.heard = seconds()
        if not self.over and self._handshake is not None:
            action = self._handshake.receive(value)
            if action is not None:
                self._do(action)

    def _do(self, action: Action) -> None:
        link = self.link
        assert link is not None
        if isinstance(action, Send):
            for command in action.commands:
                if command[0] == b"PSYNC":
                    self._log.notice("Trying a partial resynchronization (request %s:%s).", command[1].decode(),
                                     command[2].decode())
                link.command(*command)
        elif isinstance(action, Failed):
            self._log.warning("%s", action.text)
            link.close(reason=action.text)
        elif isinstance(action, Continue) and self._two is not None:
            self._two.begin_stream(link)
        elif isinstance(action, Continue):
            self._go_on(action)
        elif self._two is not None:
            link.close(reason="the stream behind the snapshot is not to be had")
        elif isinstance(action, SecondConnection):
            self.state, self.heard = SYNC, seconds()
            self._two = TwoConnections(self)
        else:
            self._begin_full(action)

    def connection_lost(self, link: Link | None, reason: str) -> None:
        """The attempt failed, or the link broke before the stream began."""
        two = self._two
        if self.over or (two is not None and two.goes_on):
            self._end_attempt()            # it knows us
            return
        if self.state == CONNECTING:
            self._log.warning("Error condition on socket for SYNC: %s", reason)
        elif self.state == SYNC:
            self.parts.tally.ended(REPLICA, "full_err")
            self._log.warning("I/O error trying to sync with MASTER: %s", reason)
        self._end_attempt()
        if two is not None:
            two.close_second()
        if self._arrival is not None and self._arrival.break_off():
            self.parts.loop.attend(self._work)
            return
        self._drop_sync()
        self._back()

    def _end_attempt(self) -> None:
        if self._handshake is not None:
            self._handshake.end()
        self.link = self._attempt = self._handshake = None

    def _back(self) -> None:
        """Try again at the next tick."""
        self.state = CONNECT
        self.client = None
        if self.failover:
            self.failover = False
            self.on_failover(False)
        self.parts.link_changed()

    # ---- going on
    def _go_on(self, action: Continue) -> None:
        parts = self.parts
        parts.tally.ended(REPLICA, "partial_ok")
        self._log.notice("Successful partial resynchronization with master.")
        if action.history and action.history != parts.history.id:
            parts.history.adopt(action.history, parts.stream.offset)
            self._log.notice("Master replication ID changed to %s", action.history)
            parts.master.drop_all()
        if parts.master.backlog is None:
            parts.master.create_backlog()
        self._follow_stream(parts.applied_db)
        self._log.notice("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.")

    def _follow_stream(self, db: int) -> None:
        """What comes behind the message that is being heard are commands of the master."""
        link = self.link
        assert link is not None
        self._end_attempt()
        self._execute_by_client(link.address, db)
        assert self.client is not None
        self.parts.loop.make_client(link, self.client)
        self.acknowledge()

    def _execute_by_client(self, address: str, db: int) -> None:
        """The stream has somebody who executes it."""
        self.client = self.parts.make_master_client(address, db)
        self.client.set(MASTER | DENY_BLOCKING)
        self.state = CONNECTED
        self.refusal.lasts = False
        self.parts.tally.links[UP] += 1
        if self.failover:
            self.failover = False
            self.on_failover(True)
        self.parts.link_changed()

    def _disconnected(self) -> None:
        self.parts.tally.received += self.received
        self.parts.tally.links[DOWN] += 1
        self.client = None

    def lost(self) -> None:
        """The connection that the stream came by is gone."""
        self._disconnected()
        self.down_since = seconds()
        if not self.over:
            self._log.notice("Connection with master lost.")
            self._log.notice("Caching the disconnected master state.")
            self.state = CONNECT
            self.parts.link_changed()
            self._log.notice("Reconnecting to MASTER %s:%d", self.host, self.port)
            self.connect()

    def acknowledge(self) -> None:
        """Tell the master how much was applied, and how much of that is on our disk."""
        self.asked = False
        if self.client is None:
            return
        wire = acknowledgement(self.parts.stream.offset, self.parts.synced_offset())
        if self._two is None:
            self.client.push_encoded(wire)
        elif self._two.flows and self.link is not None:
            self.link.write(wire)

    # ---- a full sync
    @property
    def payload(self) -> Payload | None:
        """The snapshot that is coming."""
        return self._arrival.payload if self._arrival is not None else None

    def _begin_full(self, action: FullSync) -> None:
        link = self.link
        assert link is not None
        if action.history:
            self._log.notice("Full resync from master: %s:%d", action.history, action.offset)
        else:
            self._log.notice("Retrying with SYNC...")
            link.command(b"SYNC")
        if self.begin_arrival(action):
            link.read_as(RAW)

    def begin_arrival(self, full: FullSync) -> bool:
        """Whether the snapshot can be received; else the attempt is over."""
        parts = self.parts
        self._full = full
        if self._known:
            parts.tally.ended(REPLICA, "partial_err")
        self.state = SYNC
        try:
            self._arrival = Arrival(parts.data, self._log, full.history == parts.history.id, self._loading,
                                    partial(parts.refuses_snapshot, full.history))
        except OSError as error:
            self._log.warning("Opening the temp file needed for MASTER <-> REPLICA synchronization: %s", error.strerror)
            self.abort("no file for the snapshot")
            return False
        return True

    def _loading(self, load: Load) -> None:
        """The snapshot is being loaded from now on: unless that is aside, our data are gone, and nobody need be asked
        to go on from them."""
        if not load.aside:
            self.data_gone = True
            self._known = False
            self.parts.leave_history()

    def data_received(self, link: Link, data: bytes) -> int:
        """Bytes of the snapshot, and behind it those of the stream: they wait until it is loaded."""
        return self.snapshot_received(link, data) if self._two is None else self._two.stream_received(link, data)

    def snapshot_received(self, link: Link, data: bytes) -> int:
        """Bytes of the snapshot, and what is behind it."""
        self.heard = seconds()
        arrival = self._arrival
        if self.over or arrival is None:
            return len(data)
        taken = 0
        if not arrival.payload.done and not arrival.held:
            try:
                taken = arrival.take(data)
                self.parts.tally.received += taken
            except PayloadError as error:
                self._log.warning("%s", error)
                self.abort(str(error))
                return len(data)
            except Refused:
                self._refuse()
                return len(data)
            except OSError as error:
                self._log.warning("Write error or short write writing to the DB dump file needed for MASTER <-> "
                                  "REPLICA synchronization: %s", error.strerror)
                self.abort("the snapshot could not be written")
                return len(data)
        if arrival.finished:
            self._complete()
        elif (arrival.loading and taken) or arrival.payload.done or arrival.held:
            link.hold()
            self._working = True
            self.parts.loop.attend(self._work)
        return taken

    def _work(self) -> bool:
        """A hook of the loop while a snapshot is loaded: a slice of that; True when there is more of it at once."""
        arrival = self._arrival
        if arrival is None:
            if self._two is None:
                self._rest()
            return self._two is not None and self._two.run()
        if arrival.held:
            return False
        try:
            more = arrival.advance()
        except Refused:
            self._rest()
            self._refuse()
            return False
        except (BadFile, OSError, PayloadError):
            self._log.warning("Failed trying to load the MASTER synchronization DB from %s, check server logs.",
                              "disk" if arrival.by_disk else "socket")
            self._rest()
            self._fail("the snapshot could not be loaded")
            return False
        self.heard = seconds()
        if more:
            return True
        self._rest()
        link = self.link if self._two is None else self._two.link
        if link is not None:
            link.resume()              # for the next bytes; or, all being loaded, to go on behind it
        elif arrival.finished:
            self._complete()
        else:
            self._fail("the snapshot broke off")
        return self._working

    def _refuse(self) -> None:
        """It would leave us without data: they stay, and so does our history."""
        self.refusal.begin()
        self._fail("replica-refuse-empty-master")

    def _rest(self) -> None:
        self._working = False
        self.parts.loop.attend(self._work, False)

    def _fail(self, reason: str) -> None:
        link = self.link
        self._drop_sync()
        if link is not None:
            link.close(reason=reason)
        else:
            self._back()

    def _complete(self) -> None:
        """The snapshot takes the place of our data, and what comes behind it are commands, unless the master went
        meanwhile."""
        full, arrival, parts = self._full, self._arrival, self.parts
        assert full is not None and arrival is not None
        database = arrival.accept()
        self._drop_arrival()
        parts.begin_history(full.history, max(0, full.offset))
        parts.applied_db = database
        self._known = True
        self.data_gone = False
        parts.tally.ended(REPLICA, "full_ok")
        self._log.notice("MASTER <-> REPLICA sync: Finished with success")
        if self._two is not None and self._two.joined:
            self._catch_up(self._two, database)
        elif self.link is not None:
            self._follow_stream(database)
        else:
            self._back()

    def _drop_arrival(self) -> None:
        self._rest()
        arrival, self._arrival = self._arrival, None
        if arrival is not None:
            arrival.drop()

    def _drop_sync(self) -> None:
        self._drop_arrival()
        self._drop_two()

    def _drop_two(self) -> None:
        two, self._two = self._two, None
        if two is not None:
            two.close()

    # ---- what a sync over two connections needs of us
    def join(self, client_id: int, history: str, offset: int) -> None:
        """Ask for the stream behind the snapshot, by the link."""
        if self._handshake is not None:
            self._do(self._handshake.join(client_id, history, offset))

    def end_two(self) -> None:
        """It is over: the link is nobody's, or its client's."""
        self._end_attempt()
        self._rest()
        self._drop_two()

    def _catch_up(self, two: TwoConnections, database: int) -> None:
        """The snapshot is ours: what has come of the stream is to be executed, also if no more comes."""
        two.close_second()
        self._execute_by_client(f"{self.host}:{self.port}", database)
        self._working = True
        self.parts.loop.attend(self._work)
        self.acknowledge()
