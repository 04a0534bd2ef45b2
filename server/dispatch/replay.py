"""Running commands that come from a file: no gates, no reply, no statistics, by a client that is not there."""

from server.clients import multi
from server.clients.client import DENY_BLOCKING, FAKE, MULTI, Client
from server.dispatch.call import Call
from server.dispatch.replay_fast import FastReplay
from server.persistence.aof_load import UnknownCommand
from server.registry.command import COMMANDS
from server.registry.errors import CommandError
from server.registry.light import TYPE_CHECKING

if TYPE_CHECKING:
    from server.server import Server


class Replay:
    """A pretended client that runs what it is given. `begin` makes a new one, for each file."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self.begin()

    def begin(self) -> None:
        """A client in database 0 without a transaction."""
        self.client = Client(0, self._server.keyspace.databases[0])
        self.client.set(FAKE | DENY_BLOCKING)
        self.client.authenticated = True
        self.fast = FastReplay(self.client).advance

    @property
    def in_multi(self) -> bool:
        """Whether a transaction is open."""
        return self.client.has(MULTI)

    def run(self, argv: list[bytes]) -> None:
        """Run a command, or queue it. Raises UnknownCommand. An error that the command answers with is logged: whoever
        wrote the file had none."""
        command = COMMANDS.get(argv[0].decode("latin-1").lower())
        if command is not None and command.subcommands and len(argv) > 1:
            command = command.subcommands.get(argv[1].decode("latin-1").lower(), command)
        if command is None or command.function is None:
            raise UnknownCommand
        client = self.client
        if client.transaction is not None and command.name != "exec":
            client.transaction.queue(client, command, argv)
            return
        try:
            command.function(Call(client, self._server, command, argv), *argv[2 if command.parent is not None else 1:])
        except (CommandError, TypeError) as error:
            text = error.text.decode("utf-8", "replace") if isinstance(error, CommandError) else str(error)
            self._server.log.warning(
                "== CRITICAL == This server is sending an error to its AOF-loading-client: '%s' after processing the "
                "command '%s'", text, command.name)

    def forget(self) -> None:
        """The end."""
        multi.discard(self.client)
