"""sentinel.conf's lines that begin with `sentinel`: read at the start, and written with what must outlive a crash (our
id, epochs, votes, who is known).

Lines may stand in any order: those without a master are read first, then masters, then what is said of masters.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence

from server.registry.args import leading_integer
from server.registry.light import Protocol
from server.registry.quoting import quote, split_args
from server.sentinel.instance import DEFAULT_PARALLEL_SYNCS, NO_SUCH, Address, Master
from server.sentinel.settings import Settings, Timings
from server.sentinel.state import ID_LENGTH, CannotCreate, State
from server.sentinel.words import bytes_of

BAD_TIME = "negative or zero time parameter."
NO_SCRIPT = {"notification-script": "Notification script seems non existing or non executable.",
             "client-reconfig-script": "Client reconfiguration script seems non existing or non executable."}


class Statement(Protocol):
    """A line of the file (server.config.reader)."""

    @property
    def words(self) -> tuple[str, ...]: ...
    def error(self, reason: str) -> Exception:
        """What this line deserves."""


class Rewrite(Protocol):
    """The file being rewritten (server.config.rewrite)."""

    def mark_as_processed(self, option: str) -> None:
        """Lines of this option that nobody takes are to go."""

    def line(self, option: str, line: str, force: bool) -> bool:
        """Put the line in the place of an old one of the option; append it if there is none and `force` is set."""


class BadLine(Exception):
    """The text says why a line cannot be."""


# ---- reading
def integer(text: str) -> int:
    """What it begins with, as C reads it: 0 without a number."""
    return leading_integer(bytes_of(text))


def epoch(text: str) -> int:
    """The same, never negative."""
    return max(0, integer(text))


def yes_or_no(text: str, name: str, what: str = "option") -> bool:
    """Errors: BadLine."""
    if text.lower() not in ("yes", "no"):
        raise BadLine(f"Please specify yes or no for the {name} {what}.")
    return text.lower() == "yes"


def above_zero(text: str) -> int:
    """A time, ms. Errors: BadLine."""
    ms = integer(text)
    if ms <= 0:
        raise BadLine(BAD_TIME)
    return ms


class Reader:
    """Reads lines into a state."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._settings: Settings = state.settings
        # name: (how many words behind it, what reads them)
        self._first: dict[str, tuple[int, Callable[..., None]]] = {
            "announce-ip": (1, lambda ip: setattr(self._settings, "announce_ip", ip)),
            "announce-port": (1, lambda port: setattr(self._settings, "announce_port", integer(port))),
            "deny-scripts-reconfig": (1, lambda word: setattr(
                self._settings, "deny_scripts_reconfig", yes_or_no(word, "deny-scripts-reconfig", "options"))),
            "sentinel-user": (1, lambda user: setattr(self._settings, "user", user)),
            "sentinel-pass": (1, lambda password: setattr(self._settings, "password", password)),
            "current-epoch": (1, self._current_epoch),
            "myid": (1, self._myid),
            "resolve-hostnames": (1, lambda word: setattr(
                self._settings, "resolve_hostnames", yes_or_no(word, "resolve-hostnames"))),
            "announce-hostnames": (1, lambda word: setattr(
                self._settings, "announce_hostnames", yes_or_no(word, "announce-hostnames"))),
        }
        self._of_master: dict[str, tuple[int, Callable[..., None]]] = {
            "down-after-milliseconds": (1, lambda master, ms: state.set_down_after(master, above_zero(ms))),
            "failover-timeout": (1, lambda master, ms: setattr(master, "failover_timeout", above_zero(ms))),
            "parallel-syncs": (1, lambda master, count: setattr(master, "parallel_syncs", integer(count))),
            "notification-script": (1, lambda master, path: self._script(master, "notification-script", path)),
            "client-reconfig-script": (1, lambda master, path: self._script(master, "client-reconfig-script", path)),
            "auth-pass": (1, lambda master, password: setattr(master, "auth_pass", password)),
            "auth-user": (1, lambda master, user: setattr(master, "auth_user", user)),
            "config-epoch": (1, self._config_epoch),
            "leader-epoch": (1, lambda master, text: setattr(master, "leader_epoch", epoch(text))),
            "known-slave": (2, self._known_replica),
            "known-replica": (2, self._known_replica),
            "known-sentinel": (3, self._known_sentinel),
            "rename-command": (2, self._rename),
            "master-reboot-down-after-period": (1, self._reboot_down_after),
        }

    def read(self, statements: Iterable[Statement]) -> None:
        """All of them. Errors: that of the first line that cannot be."""
        lines = [line for line in statements if len(line.words) > 1]
        for line in sorted(lines, key=self._turn):
            try:
                self._read(line.words[1].lower(), line.words[2:])
            except (BadLine, CannotCreate) as error:
                raise line.error(str(error)) from None

    def _turn(self, line: Statement) -> int:
        name = line.words[1].lower()
        return 0 if name in self._first else 1 if name == "monitor" else 2

    def _read(self, name: str, words: Sequence[str]) -> None:
        if name == "monitor" and len(words) == 4:
            if integer(words[3]) <= 0:
                raise BadLine("Quorum must be 1 or greater.")
            self._state.add_master(words[0], words[1], integer(words[2]), integer(words[3]))
        elif name in self._first and len(words) == self._first[name][0]:
            self._first[name][1](*words)
        elif name in self._of_master and len(words) == 1 + self._of_master[name][0]:
            master = self._state.masters.get(words[0])
            if master is None:
                raise BadLine(NO_SUCH)
            self._of_master[name][1](master, *words[1:])
        elif name != "known-sentinel" or len(words) != 3:       # without an id, as of old: it is met again
            raise BadLine("Unrecognized sentinel configuration statement.")

    def _current_epoch(self, text: str) -> None:
        self._state.current_epoch = max(self._state.current_epoch, epoch(text))

    def _myid(self, runid: str) -> None:
        if len(runid) != ID_LENGTH:
            raise BadLine("Malformed Sentinel id in myid option.")
        self._state.myid = runid

    def _script(self, master: Master, name: str, path: str) -> None:
        if not os.access(path, os.X_OK):
            raise BadLine(NO_SCRIPT[name])
        setattr(master, name.replace("-", "_"), path)

    def _config_epoch(self, master: Master, text: str) -> None:
        master.config_epoch = epoch(text)
        self._current_epoch(text)

    def _known_replica(self, master: Master, host: str, port: str) -> None:
        self._state.add_replica(master, host, integer(port))

    def _known_sentinel(self, master: Master, host: str, port: str, runid: str) -> None:
        self._state.add_sentinel(master, host, integer(port), runid)

    def _rename(self, master: Master, old: str, new: str) -> None:
        if old.upper() in master.renamed:
            raise BadLine("Same command renamed multiple times with rename-command.")
        master.renamed[old.upper()] = old, new

    def _reboot_down_after(self, master: Master, text: str) -> None:
        if integer(text) < 0:
            raise BadLine("negative time parameter.")
        master.reboot_down_after = integer(text)


# ---- writing
OF_MASTERS = ("monitor", "down-after-milliseconds", "failover-timeout", "parallel-syncs", "notification-script",
              "client-reconfig-script", "auth-pass", "auth-user", "config-epoch", "leader-epoch", "known-replica",
              "known-sentinel", "rename-command", "master-reboot-down-after-period")


def write(state: State, rewrite: Rewrite) -> None:
    """The running state in the place of what the file has."""
    settings = state.settings
    put = rewrite.line
    put("sentinel myid", f"sentinel myid {state.myid}", True)
    for name, value, default in (
        ("deny-scripts-reconfig", settings.deny_scripts_reconfig, True),
        ("resolve-hostnames", settings.resolve_hostnames, False),
        ("announce-hostnames", settings.announce_hostnames, False),
    ):
        put(f"sentinel {name}", f"sentinel {name} {'yes' if value else 'no'}", value != default)
    for master in state.masters.values():
        for name, text in _lines_of(state, master):
            line = f"sentinel {name} {word(master.name)} {text}"
            if name == "known-replica" and put("sentinel known-slave", line, False):
                continue                    # in the place of one by the old name
            put(f"sentinel {name}", line, True)
    put("sentinel current-epoch", f"sentinel current-epoch {state.current_epoch}", True)
    for name, shown in (
        ("announce-ip", quote(settings.announce_ip) if settings.announce_ip else ""),
        ("announce-port", str(settings.announce_port or "")),
        ("sentinel-user", word(settings.user) if settings.user else ""),
        ("sentinel-pass", word(settings.password) if settings.password else ""),
    ):
        rewrite.mark_as_processed(f"sentinel {name}")
        if shown:
            put(f"sentinel {name}", f"sentinel {name} {shown}", True)
    for name in OF_MASTERS:
        rewrite.mark_as_processed(f"sentinel {name}")


def _lines_of(state: State, master: Master) -> Iterator[tuple[str, object]]:
    """(name, what stands behind the master's name), in Redis's order; what has its default is left out."""
    defaults: Timings = state.settings.timings
    now = master.current_address
    yield "monitor", f"{place(state, now)} {master.quorum}"
    if master.down_after != defaults.default_down_after:
        yield "down-after-milliseconds", master.down_after
    if master.failover_timeout != defaults.default_failover_timeout:
        yield "failover-timeout", master.failover_timeout
    if master.parallel_syncs != DEFAULT_PARALLEL_SYNCS:
        yield "parallel-syncs", master.parallel_syncs
    for name in ("notification-script", "client-reconfig-script", "auth-pass", "auth-user"):
        if value := getattr(master, name.replace("-", "_")):
            yield name, word(value)
    if master.reboot_down_after:
        yield "master-reboot-down-after-period", master.reboot_down_after
    yield "config-epoch", master.config_epoch
    yield "leader-epoch", master.leader_epoch
    for replica in master.replicas.values():
        # One that is promoted already is the master in this file: where it was, the old master is to be found.
        address = master.address if replica.address.is_at(now) else replica.address
        yield "known-replica", place(state, address)
    for sentinel in master.sentinels.values():
        yield "known-sentinel", f"{place(state, sentinel.address)} {word(sentinel.runid)}"
    for old, new in master.renamed.values():
        yield "rename-command", f"{word(old)} {word(new)}"


def place(state: State, address: Address) -> str:
    """Host and port: by the name while that has no address."""
    return f"{word(state.announced(address) or address.host)} {address.port}"


def word(text: str) -> str:
    """As it is, or quoted where it would not be read as one word."""
    return text if split_args(text) == [text] else quote(text)
