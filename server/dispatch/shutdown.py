"""Shutting down: by SHUTDOWN or by a signal, at once or when replicas have caught up, or not after all.

    requested -> waiting for replicas (shutdown-timeout) -> final steps -> the loop ends
                        SHUTDOWN ABORT <-+        +-> a step failed: the server goes on, unless FORCE

Rooms above take part through two hooks: `lagging` says whether a replica is behind, and `final_steps` are run in order
before the end (flush the AOF, save the RDB); one that cannot do its work raises CannotStop.
"""

from collections.abc import Callable

from server.clients import pause
from server.clients.client import BLOCKED, CLOSE_ASAP, KEPT, Client
from server.registry.clock import monotonic_now_us
from server.registry.errors import CommandError
from server.registry.light import TYPE_CHECKING, signal

if TYPE_CHECKING:
    from server.server import Server

FAILED = "ERR Errors trying to SHUTDOWN. Check logs."
SAVE, NOSAVE, NOW, FORCE = "save", "nosave", "now", "force"
_FOREVER_MS = 1 << 62


def _now_ms() -> int:
    return monotonic_now_us() // 1000


class CannotStop(Exception):
    """A final step failed; the text says why, for the log."""


class Shutdown:
    """The shutdown of one server: not asked for, under way, or done."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._deadline_ms: int | None = None          # while replicas are waited for; monotonic
        self._words: frozenset[str] = frozenset()
        self._waiting: list[Client] = []              # clients whose SHUTDOWN is not answered yet
        self.lagging: Callable[[], bool] = lambda: False
        self.final_steps: list[Callable[[frozenset[str]], None]] = []

    @property
    def waiting(self) -> bool:
        """Whether replicas are being waited for."""
        return self._deadline_ms is not None

    def remaining_ms(self) -> int | None:
        """shutdown_in_milliseconds of INFO; None when none is under way."""
        return None if self._deadline_ms is None else max(0, self._deadline_ms - _now_ms())

    def request(self, words: frozenset[str], client: Client | None = None) -> bool:
        """Begin: True when the server stops now. False: replicas are waited for and the client is blocked until then,
        or the final steps failed (CommandError for a client). `words` are of save, nosave, now, force."""
        if client is not None and self.waiting:
            self._block(client)
            return False
        server = self._server
        if server.progress.under_way:
            words = words - {SAVE} | {NOSAVE}
        self._words = words
        server.log.notice("User requested shutdown...")
        server.process.stopping()
        if NOW not in words and server.config.shutdown_timeout and self.lagging():
            self._deadline_ms = _now_ms() + server.config.shutdown_timeout * 1000
            server.pause.start(pause.BY_SHUTDOWN, _FOREVER_MS, pause.WRITES)
            server.log.notice("Waiting for replicas before shutting down.")
            if client is not None:
                self._block(client)
            return False
        if self.finish():
            return True
        if client is not None:
            raise CommandError(FAILED)
        return False

    def finish(self) -> bool:
        """The final steps; True when the loop is told to end, False when it was called off."""
        log = self._server.log
        for step in self.final_steps:
            try:
                step(self._words)
            except CannotStop as error:
                if FORCE in self._words:
                    log.warning("%s. Exit anyway.", error)
                    continue
                log.warning("%s, can't exit.", error)
                log.warning("Errors trying to shut down the server. Check the logs for more information.")
                self.cancel()
                return False
        self._server.stop()
        return True

    def abort(self) -> bool:
        """SHUTDOWN ABORT: False when there is nothing to abort."""
        if self.waiting:
            self.cancel()
        elif self._server.shutdown_signal is not None:
            self._server.shutdown_signal = None
        else:
            return False
        self._server.log.notice("Shutdown manually aborted.")
        return True

    def cancel(self) -> None:
        """Go on living, and tell those who wait for the end."""
        server = self._server
        was_waiting = self.waiting
        self._words = frozenset()
        self._deadline_ms = server.shutdown_signal = None
        clients, self._waiting = self._waiting, []
        for client in clients:
            server.clients.counts.blocked -= 1
            if not client.has(CLOSE_ASAP):
                client.reply(CommandError(FAILED))
                client.waited()
                server.loop.resume(client)
        if was_waiting:
            server.pause.stop(pause.BY_SHUTDOWN)

    def _block(self, client: Client) -> None:
        client.set(BLOCKED)
        self._server.clients.counts.blocked += 1
        self._waiting.append(client)
        client.set(KEPT)

    def forget(self, client: Client) -> None:
        """The client is gone."""
        if client in self._waiting:
            self._waiting.remove(client)
            self._server.clients.counts.blocked -= 1

    def tick(self) -> None:
        """From the cron: what a signal asked for, and whether waiting is over."""
        server = self._server
        if self.waiting:
            if _now_ms() >= (self._deadline_ms or 0) or not self.lagging():
                self.finish()
        elif server.shutdown_signal is not None:
            chosen = (server.config.shutdown_on_sigint if server.shutdown_signal == signal.SIGINT
                      else server.config.shutdown_on_sigterm)
            self.request(frozenset(chosen) - {"default"})
