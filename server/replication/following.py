"""The replica's side: one master, followed for as long as nobody says otherwise, over one link after the other.

    connect -> connecting -> handshake -> sync -> connected
       ^ retried each second   |  +CONTINUE ---------^  the link becomes the connection of a client, MASTER, whose
       +---- any failure ------+                        commands the loop runs in `run_master`

What was applied is told by the stream's offset: it counts the master's own bytes, which go on to our own replicas as
they came. So everybody below one master shares its history, and the next attempt asks for what comes behind it.
"""

import os
import time
from collections.abc import Callable
from typing import Any

from iothreads.connect import LinkProtocol
from iothreads.link import RAW, Link
from server.clients.client import DENY_BLOCKING, MASTER, Client
from server.replication.handshake import NONE_KNOWN, Action, Continue, Failed, FullSync, Handshake, Send
from server.replication.master import seconds
from server.replication.payload import Payload, PayloadError

CONNECT, CONNECTING, HANDSHAKE, SYNC, CONNECTED = "connect", "connecting", "handshake", "sync", "connected"


class Following(LinkProtocol):
    """We follow host:port. `parts` is what this needs of the server (replication.node.Node)."""

    def __init__(self, parts: Any, host: str, port: int, *, failover: bool = False) -> None:
        self._parts = parts
        self._config = parts.config
        self._log = parts.log
        self.host = host
        self.port = port
        self.state = CONNECT
        self.over = False                  # somebody else is followed now, or nobody
        self.client: Client | None = None  # the master's, while we are connected
        self.payload: Payload | None = None
        self.down_since = seconds()
        self.failover = failover           # the first attempt takes the mastership over
        self.on_failover: Callable[[bool], None] = lambda well: None
        self._known = True                 # our history may be asked for; False: after a failed full sync
        self._handshake: Handshake | None = None
        self._attempt: Any = None
        self._link: Link | None = None
        self.heard = seconds()
        self.asked = False                 # REPLCONF GETACK came: answered when what came with it counts as applied
        self._full: FullSync | None = None
        self._temporary = ""
        self._file = -1

    # ---- for INFO and ROLE
    @property
    def connected(self) -> bool:
        """Whether the stream flows."""
        return self.state == CONNECTED

    @property
    def role_offset(self) -> int:
        """How much was applied; -1 without a link."""
        return self._parts.stream.offset if self.connected else -1

    @property
    def holds_its_history(self) -> bool:
        """Whether our data are what the offset says: not while a full sync lasts, nor after one that failed."""
        return self._known

    @property
    def silent_seconds(self) -> int:
        """master_last_io_seconds_ago; -1 without a link."""
        if self.client is None:
            return -1
        return int(seconds() - self.client.active_us / 1e6)

    # ---- attempts
    def tick(self) -> None:
        """Once a second: try again, notice silence, tell the master how far we are."""
        timeout = self._config.repl_timeout
        if self.state == CONNECT:
            self._log.notice("Connecting to MASTER %s:%d", self.host, self.port)
            self.connect()
        elif self.state in (CONNECTING, HANDSHAKE) and self._waited() > timeout:
            self._log.warning("Timeout connecting to the MASTER...")
            self._abort("timed out")
        elif self.state == SYNC and seconds() - self.heard > timeout:
            self._log.warning("Timeout receiving bulk data from MASTER... If the problem persists try to set the "
                              "'repl-timeout' parameter in redis.conf to a larger value.")
            self._abort("timed out")
        elif self.client is not None:
            if self.silent_seconds > timeout:
                self._log.warning("MASTER timeout: no data nor PING received...")
                self.client.close()
            else:
                self.acknowledge()

    def _waited(self) -> float:
        """Seconds since anything came: a newline, which is no reply, says that a snapshot is still to be begun."""
        heard = 0 if self._link is None else self._link.heard_us
        return seconds() - max(self.heard, heard / 1e6)

    def connect(self) -> None:
        """Begin an attempt."""
        self.state = CONNECTING
        self.heard = seconds()
        source = self._config.bind_source_addr or ""
        self._attempt = self._parts.connector.connect(self.host, self.port, self, source=source,
                                                      timeout_ms=self._config.repl_timeout * 1000)
        self._log.notice("MASTER <-> REPLICA sync started")

    def _abort(self, reason: str) -> None:
        """End the attempt under way; connection_lost follows."""
        if self._link is not None:
            self._link.close(reason=reason)
        elif self._attempt is not None:
            self._attempt.abort(reason)

    def stop(self) -> None:
        """We follow somebody else, or nobody: nothing of this is heard any more."""
        self.over = True
        self._abort("not followed any more")
        if self.client is not None:
            self.client.close()
        self._drop_payload()

    # ---- the link
    def connection_made(self, link: Link) -> None:
        """Connected."""
        if self.over:
            link.close()
            return
        self._link = link
        self.heard = seconds()
        self.state = HANDSHAKE
        self._log.notice("Non blocking connect for SYNC fired the event.")
        config, history = self._config, self._parts.history
        if not self._known:
            self._log.notice("Partial resynchronization not possible (no cached master)")
        self._handshake = Handshake(
            config.replica_announce_port or self._parts.port, config.replica_announce_ip or "", config.masteruser or "",
            config.masterauth or b"", history.id if self._known else NONE_KNOWN, self._parts.stream.offset,
            self.failover, note=self._note)
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
        link = self._link
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
        elif isinstance(action, Continue):
            self._go_on(action)
        else:
            self._begin_full(action)

    def connection_lost(self, link: Link | None, reason: str) -> None:
        """The attempt failed, or the link broke before the stream began."""
        if self.over:
            self._end_attempt()            # it knows us
            return
        if self.state == CONNECTING:
            self._log.warning("Error condition on socket for SYNC: %s", reason)
        elif self.state == SYNC:
            self._log.warning("I/O error trying to sync with MASTER: %s", reason)
        self._end_attempt()
        self._drop_payload()
        self._back()

    def _end_attempt(self) -> None:
        if self._handshake is not None:
            self._handshake.end()
        self._link = self._attempt = self._handshake = None

    def _back(self) -> None:
        """Try again at the next tick."""
        self.state = CONNECT
        self.client = None
        if self.failover:
            self.failover = False
            self.on_failover(False)
        self._parts.link_changed()

    # ---- going on
    def _go_on(self, action: Continue) -> None:
        parts = self._parts
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
        link = self._link
        assert link is not None
        self._end_attempt()
        self.client = self._parts.make_master_client(link, db)
        self.client.set(MASTER | DENY_BLOCKING)
        self.state = CONNECTED
        if self.failover:
            self.failover = False
            self.on_failover(True)
        self._parts.link_changed()
        self.acknowledge()

    def lost(self) -> None:
        """The connection that the stream came by is gone."""
        self.client = None
        self.down_since = seconds()
        if not self.over:
            self._log.notice("Connection with master lost.")
            self._log.notice("Caching the disconnected master state.")
            self.state = CONNECT
            self._parts.link_changed()
            self._log.notice("Reconnecting to MASTER %s:%d", self.host, self.port)
            self.connect()

    def acknowledge(self) -> None:
        """Tell the master how much was applied, and how much of that is on our disk."""
        self.asked = False
        if self.client is None:
            return
        offset = b"%d" % self._parts.stream.offset
        words = [b"REPLCONF", b"ACK", offset]
        synced = self._parts.synced_offset()
        if synced >= 0:
            words += [b"FACK", b"%d" % synced]
        self.client.push_encoded(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))

    # ---- a full sync
    def _begin_full(self, action: FullSync) -> None:
        link = self._link
        assert link is not None
        self._full = action
        if action.history:
            self._log.notice("Full resync from master: %s:%d", action.history, action.offset)
        else:
            self._log.notice("Retrying with SYNC...")
            link.command(b"SYNC")
        self._known = False
        self.state = SYNC
        by_disk = not self._parts.loads_from_memory()
        try:
            self._file = self._open(by_disk)
        except OSError as error:
            self._log.warning("Opening the temp file needed for MASTER <-> REPLICA synchronization: %s", error.strerror)
            link.close(reason="no file for the snapshot")
            return
        self.payload = Payload(self._file, on_disk=by_disk)
        link.read_as(RAW)

    def _open(self, by_disk: bool) -> int:
        if not by_disk:
            return os.memfd_create("snapshot", os.MFD_CLOEXEC)
        self._temporary = f"temp-{int(time.time())}.{os.getpid()}.rdb"
        return os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)

    def data_received(self, link: Link, data: bytes) -> int:
        """Bytes of the snapshot."""
        self.heard = seconds()
        payload = self.payload
        if self.over or payload is None:
            return len(data)
        announced = payload.total >= 0
        try:
            taken = payload.take(data)
        except PayloadError as error:
            self._log.warning("%s", error)
            link.close(reason=str(error))
            return len(data)
        except OSError as error:
            self._log.warning("Write error or short write writing to the DB dump file needed for MASTER <-> REPLICA "
                              "synchronization: %s", error.strerror)
            link.close(reason="the snapshot could not be written")
            return len(data)
        if not announced and payload.total >= 0:
            where = "to disk" if payload.on_disk else "to parser"
            if payload.total:
                self._log.notice("MASTER <-> REPLICA sync: receiving %d bytes from master %s", payload.total, where)
            else:
                self._log.notice("MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF %s", where)
        if payload.done:
            self._load(link)
        return taken

    def _load(self, link: Link) -> None:
        """The snapshot is here: it takes the place of our data, and what comes behind it are commands."""
        full = self._full
        assert full is not None and self.payload is not None
        try:
            well = self._parts.replace_data(self.payload, self._temporary, lambda: link.write(b"\n"))
        finally:
            self._temporary = "" if self.payload.on_disk else self._temporary
            self._drop_payload()
        if self.over:
            return
        if not well:
            link.close(reason="the snapshot could not be loaded")
            return
        parts = self._parts
        parts.begin_history(full.history, max(0, full.offset))
        self._known = True
        self._log.notice("MASTER <-> REPLICA sync: Finished with success")
        self._follow_stream(0)

    def _drop_payload(self) -> None:
        self.payload = None
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self._temporary:
            try:
                os.unlink(self._temporary)
            except OSError:
                pass
            self._temporary = ""
