"""Faults on demand: the next commands of a name fail, come late, or lose their connection (DEBUG FAULT).

    ERROR   the command is not run; its reply is an error
    DELAY   the client waits, others do not; then the command runs
    DROP    the connection closes, the command is not run
    LOSE    the command runs, but the connection closes instead of its reply

A plan counts down with each command that clients send; what scripts, files and a master say is not concerned, and
neither is DEBUG, which takes plans back. While there is a plan a condition keeps fast paths away, so that gates are
asked; without one nobody asks anything.
"""

from collections.abc import Callable

from server.clients.client import FAKE, KEPT, MASTER, PAUSED, Client
from server.clients.seams import ClientLoop
from server.dispatch.call import Call
from server.dispatch.gates import Postponed, gate
from server.registry.clock import monotonic_now_us
from server.registry.command import Command
from server.registry.errors import CommandError
from server.registry.light import NamedTuple
from server.registry.loop_seam import Timer

ERROR, DELAY, DROP, LOSE = "error", "delay", "drop", "lose"
ANY = "*"


class Plan(NamedTuple):
    """What happens to the next `left` commands of a name: with this error text, after so many milliseconds."""

    kind: str
    left: int
    text: str = ""
    milliseconds: int = 0


class Faults:
    """The plans of one server, by the name of a command (a container stands for its subcommands), or ANY.
    `when_planned` is told when there is a first one, and when there is none any more."""

    def __init__(self, loop: ClientLoop) -> None:
        self._loop = loop
        self.plans: dict[str, Plan] = {}
        self._waiting: dict[Client, Timer] = {}        # DELAY, and not over
        self._served: set[Client] = set()              # DELAY is over: the command that comes again shall pass
        self.when_planned: Callable[[bool], object] = bool

    @property
    def concerned(self) -> bool:
        """Whether anything of a command may depend on what is here."""
        return bool(self.plans or self._served)

    def plan(self, name: str, plan: Plan) -> None:
        """From the next command of that name on; a plan for the same name is replaced."""
        self.plans[name] = plan
        self.when_planned(True)

    def clear(self) -> None:
        """No more of them; who waits goes on."""
        self.plans.clear()
        for client, timer in list(self._waiting.items()):
            self._loop.timers.remove(timer)
            self._go_on(client)
        self._settle()

    def meet(self, call: Call) -> None:
        """A client's command: CommandError, Postponed or a closed connection, if that is planned."""
        client = call.client
        if client in self._served:
            self._served.discard(client)
            self._settle()
            return
        if client.has(FAKE | MASTER):
            return
        name = self._name_in_plans(call.command)
        if name is None:
            return
        plan = self._take(name)
        if plan.kind == ERROR:
            raise CommandError(plan.text)
        if plan.kind == DELAY:
            run = self._loop.timers.add(monotonic_now_us(), plan.milliseconds, lambda: self._go_on(client))
            self._waiting[client] = run
            client.set(KEPT)
            raise Postponed
        client.close()
        if plan.kind == DROP:
            raise CommandError("ERR dropped")          # who would read it is gone

    def _name_in_plans(self, command: Command) -> str | None:
        for name in (command.name, command.name.partition("|")[0], ANY):
            if name in self.plans:
                return name
        return None

    def _take(self, name: str) -> Plan:
        plan = self.plans[name]
        if plan.left > 1:
            self.plans[name] = plan._replace(left=plan.left - 1)
        else:
            del self.plans[name]
            self._settle()
        return plan

    def _go_on(self, client: Client) -> None:
        del self._waiting[client]
        self._served.add(client)
        self.when_planned(True)                        # or the command would not come here again
        client.clear(PAUSED)
        self._loop.resume(client)

    def _settle(self) -> None:
        self.when_planned(self.concerned)

    def forget(self, client: Client) -> None:
        """The client is gone."""
        if client in self._waiting:
            self._loop.timers.remove(self._waiting.pop(client))
        if client in self._served:
            self._served.discard(client)
            self._settle()


@gate("fault", lambda command: command.name.partition("|")[0] != "debug")
def fault(call: Call) -> None:
    """DEBUG FAULT."""
    faults = call.server.faults
    if faults.concerned:
        faults.meet(call)
