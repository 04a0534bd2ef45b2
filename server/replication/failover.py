"""FAILOVER: the mastership goes to a replica that has everything. Writes wait while it catches up.

    no-failover -> waiting-for-sync    clients are paused; until the target (or any replica) has acknowledged all
                -> failover-in-progress    we follow it and say FAILOVER with PSYNC: from then on it is the master
"""

from collections.abc import Callable, Sequence

from server.clients.client import Client
from server.config.config import Config
from server.registry import args
from server.registry.clock import monotonic_now_us
from server.registry.errors import CommandError, syntax
from server.registry.reply import OK
from server.replication.replica import Replica
from server.replication.seams import FailoverParts
from server.replication.state import State

NONE, WAITING, IN_PROGRESS = "no-failover", "waiting-for-sync", "failover-in-progress"
CHECK_MS = 10


class Failover:
    """The failover of one server. `pause(yes)` holds clients' writes back."""

    def __init__(self, parts: FailoverParts, pause: Callable[[bool], None]) -> None:
        self._parts = parts
        self._log = parts.log
        self._pause = pause
        self.state = NONE
        self._target: tuple[str, int] | None = None
        self._deadline_us = 0
        self._force = False

    @property
    def in_progress(self) -> bool:
        """Whether one is under way."""
        return self.state != NONE

    # ---- the command
    def command(self, config: Config, words: Sequence[bytes]) -> str:
        """FAILOVER's reply. Errors: CommandError."""
        if config.cluster_enabled:
            raise CommandError("ERR FAILOVER not allowed in cluster mode.")
        host, port, timeout, force, abort = self._read(words)
        if abort:
            if not self.in_progress:
                raise CommandError("ERR No failover in progress.")
            self.abort("Failover manually aborted")
            return OK
        if self.in_progress:
            raise CommandError("ERR FAILOVER already in progress.")
        if self._parts.following is not None:
            raise CommandError("ERR FAILOVER is not valid when server is a replica.")
        self._check(host, port, timeout, force)
        self._begin(host, port, timeout, force)
        return OK

    @staticmethod
    def _read(words: Sequence[bytes]) -> tuple[str, int, int, bool, bool]:
        host, port, timeout, force, abort, at = "", 0, 0, False, False, 0
        while at < len(words):
            word, left = words[at].lower(), len(words) - at - 1
            if word == b"abort" and len(words) == 1:
                abort, at = True, at + 1
            elif word == b"timeout" and left >= 1 and timeout == 0:
                timeout, at = args.integer(words[at + 1]), at + 2
                if timeout <= 0:
                    raise CommandError("ERR FAILOVER timeout must be greater than 0")
            elif word == b"to" and left >= 2 and not host:
                port = args.integer(words[at + 2])
                host, at = words[at + 1].decode("latin-1"), at + 3
            elif word == b"force" and not force:
                force, at = True, at + 1
            else:
                raise syntax()
        return host, port, timeout, force, abort

    def _check(self, host: str, port: int, timeout: int, force: bool) -> None:
        if not self._parts.master.replicas:
            raise CommandError("ERR FAILOVER requires connected replicas.")
        if force and (not host or not timeout):
            raise CommandError("ERR FAILOVER with force option requires both a timeout and target HOST and IP.")
        if host:
            replica = self._named(host, port)
            if replica is None:
                raise CommandError("ERR FAILOVER target HOST and PORT is not a replica.")
            if replica.state != State.ONLINE:
                raise CommandError("ERR FAILOVER target replica is not online.")

    def _named(self, host: str, port: int) -> Replica | None:
        replicas: list[Replica] = self._parts.master.connected()
        for replica in replicas:
            if replica.ip == host and replica.port == port:
                return replica
        return None

    def _begin(self, host: str, port: int, timeout: int, force: bool) -> None:
        self.state = WAITING
        self._target = (host, port) if host else None
        self._deadline_us = monotonic_now_us() + timeout * 1000 if timeout else 0
        self._force = force
        self._log.notice("FAILOVER requested to %s.", f"{host}:{port}" if host else "any replica")
        self._pause(True)
        self._parts.master.pings_paused = True
        self._parts.master.ask_for_acknowledgements()
        self._parts.loop.timers.add(monotonic_now_us(), CHECK_MS, self._look)

    # ---- waiting
    def _look(self) -> int | None:
        """A timer: whether somebody has everything, or time is over."""
        if self.state != WAITING:
            return None
        master = self._parts.master
        over = self._deadline_us and monotonic_now_us() >= self._deadline_us
        if over and not self._force:
            self.abort("Replica never caught up before timeout")
            return None
        if over and self._target is not None:
            self._log.notice("Failover to %s:%d time out exceeded, failing over.", *self._target)
            self._hand_over(*self._target)
            return None
        for replica in list(master.online()):
            if self._target is not None and (replica.ip, replica.port) != self._target:
                continue
            if replica.acknowledged >= master.offset and replica.good:
                self._log.notice("Failover target %s:%d is synced, failing over.", replica.ip, replica.port)
                self._hand_over(replica.ip, replica.port)
                return None
        return CHECK_MS

    def _hand_over(self, host: str, port: int) -> None:
        self.state = IN_PROGRESS
        self._parts.follow(host, port, failover=True, on_failover=self._ended)

    def _ended(self, well: bool) -> None:
        """The target is the master now, or would not be."""
        if self.state != IN_PROGRESS:
            return
        if well:
            self._clear()
        else:
            self.abort("Failover target rejected psync request")

    def abort(self, reason: str) -> None:
        """A master as before. The target may have taken over nevertheless: what is written from here on is of a history
        of our own then, which nobody takes for its."""
        self._log.notice("Aborting failover: %s", reason)
        if self.state == IN_PROGRESS:
            self._parts.stop_following()
        self._clear()

    def _clear(self) -> None:
        self.state = NONE
        self._target = None
        self._parts.master.pings_paused = False
        self._pause(False)

    # ---- the other side: PSYNC ... FAILOVER
    def taken_over(self, client: Client, id: bytes) -> None:
        """Our master hands over to us. Errors: CommandError."""
        parts = self._parts
        self._log.warning("Failover request received for replid %s.", id.decode("latin-1"))
        if parts.following is None:
            raise CommandError("ERR PSYNC FAILOVER can't be sent to a master.")
        if id.decode("latin-1").lower() != parts.history.id:
            raise CommandError("ERR PSYNC FAILOVER replid must match my replid.")
        parts.stop_following()
        self._log.notice("MASTER MODE enabled (failover request from client id #%d)", client.id)

    def check_sync(self) -> None:
        """Whether a replica may ask for a sync now. Errors: CommandError."""
        if self.state == IN_PROGRESS:
            raise CommandError("NOMASTERLINK Can't SYNC while failing over")
