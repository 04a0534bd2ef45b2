"""What the server owes as a process of its machine: leaving the terminal, telling a supervisor, a pid file, its name in
the process list, its place in the kernel's out-of-memory order, and warnings of settings that will hurt.

    prepare()   before anything is logged: locale, syslog, CPUs, warnings, supervisor, daemonize
    name()      when the log has begun: the title
    ready()     when clients are served: the supervisor hears of it, the out-of-memory score is set
    stopping()  when a shutdown has begun       gone()  at the end: the pid file

All of it is best effort, as in Redis: what cannot be done is logged, and the server runs.
"""

import os
import sys

from server import kernel
from server.config.config import Config
from server.config.process import expand_title
from server.observe.log import Log
from server.registry.light import locale, signal

DEFAULT_PIDFILE = "/var/run/redis.pid"
OURS = "remus-server"
SHORT_NAME = OURS.encode()                 # at most 15 bytes
MASTER, REPLICA, CHILD = range(3)          # positions in oom-score-adj-values
OOM_SCORE = "/proc/self/oom_score_adj"
OOM_LOWEST, OOM_HIGHEST = -1000, 1000
LEAST_MAXMEMORY = 1 << 20

OVERCOMMIT = (
    "WARNING Memory overcommit must be enabled! Without it, a background save or replication may fail under low "
    "memory condition. To fix this issue add 'vm.overcommit_memory = 1' to /etc/sysctl.conf and then reboot or run the "
    "command 'sysctl vm.overcommit_memory=1' for this to take effect."
)
HUGE_PAGES = (
    "WARNING You have Transparent Huge Pages (THP) support enabled in your kernel. This will create latency and memory "
    "usage issues with Redis. To fix this issue run the command 'echo madvise > "
    "/sys/kernel/mm/transparent_hugepage/enabled' as root, and add it to your /etc/rc.local in order to retain the "
    "setting after a reboot. Redis must be restarted after THP is disabled (set to 'madvise' or 'never')."
)
XEN_CLOCK = (
    "WARNING Your system is configured to use the 'xen' clocksource which might lead to degraded performance. Consider "
    "another one: /sys/devices/system/clocksource/clocksource0/available_clocksource lists them."
)
BACKLOG = (
    "WARNING: The TCP backlog setting of %d cannot be enforced because /proc/sys/net/core/somaxconn is set to the "
    "lower value of %d."
)
SMALL_MAXMEMORY = (
    "WARNING: You specified a maxmemory value that is less than 1MB (current value is %d bytes). Are you sure this is "
    "what you really want?"
)
SYSTEMD = (
    "Supervised by systemd. Please make sure you set appropriate values for TimeoutStartSec and TimeoutStopSec in your "
    "service unit."
)


class Process:
    """The process of one server; made before the log's first line."""

    def __init__(self, config: Config, log: Log) -> None:
        self.config = config
        self.log = log
        self.pid = os.getpid()
        self.supervised = ""                     # "", "upstart" or "systemd": process_supervised of INFO
        self._oom_base: int | None = None        # the score before we changed it

    # ---- the stages
    def prepare(self) -> bool:
        """Everything before the log begins; False when the server cannot start. The parent of a daemon ends in here."""
        config = self.config
        if config.syslog_enabled:
            self.log.use_syslog(config.syslog_ident, config.syslog_facility)
        if not self.set_locale():
            return False
        self.check_memory_settings()
        self.supervised = self.find_supervisor()
        if config.daemonize:
            if self.supervised:
                config.store("daemonize", False)       # a supervisor watches this very process
            else:
                leave_terminal()
                self.pid = os.getpid()
        self.use_cpus(config.server_cpulist)
        config.on_change("proc-title-template", self.follow_title)
        config.on_change("oom-score-adj", self.follow_oom_score)
        config.on_change("oom-score-adj-values", self.follow_oom_score)
        return True

    def name(self) -> None:
        """The name in the process list: title and short name."""
        kernel.set_name(SHORT_NAME)
        if self.config.set_proc_title:
            self.set_title()

    def ready(self) -> None:
        """Clients are served from now on."""
        if self.supervised == "systemd":
            if self.config.replicaof:
                self.notify("STATUS=Ready to accept connections in read-only mode. "
                            "Waiting for MASTER <-> REPLICA sync\n")
            else:
                self.notify("STATUS=Ready to accept connections\n")
            self.notify("READY=1\n")
        if 0 < self.config.maxmemory < LEAST_MAXMEMORY:
            self.log.warning(SMALL_MAXMEMORY, self.config.maxmemory)
        self.set_oom_score()

    def stopping(self) -> None:
        """A shutdown has begun."""
        if self.supervised == "systemd":
            self.notify("STOPPING=1\n")

    def gone(self) -> None:
        """The last thing: nobody shall find our pid any more."""
        if self.config.pidfile:
            try:
                os.unlink(self.config.pidfile)
            except OSError:
                pass

    # ---- supervisors
    def find_supervisor(self) -> str:
        """supervised: the supervisor that has been told that we start; "" for none."""
        mode: str = self.config.supervised
        if mode == "auto":
            if "UPSTART_JOB" in os.environ:
                self.log.verbose("Upstart supervision detected.")
                mode = "upstart"
            elif "NOTIFY_SOCKET" in os.environ:
                self.log.verbose("Systemd supervision detected.")
                mode = "systemd"
        if mode == "upstart" and self.told_upstart():
            return mode
        if mode == "systemd" and self.notify("STATUS=Redis is loading...\n"):
            self.log.notice(SYSTEMD)
            return mode
        return ""

    def told_upstart(self) -> bool:
        """Stop: upstart sees it, knows that we are about to serve, and continues us."""
        if "UPSTART_JOB" not in os.environ:
            self.log.warning("upstart supervision requested, but UPSTART_JOB not found!")
            return False
        self.log.notice("supervised by upstart, will stop to signal readiness.")
        os.kill(os.getpid(), signal.SIGSTOP)
        del os.environ["UPSTART_JOB"]
        return True

    def notify(self, text: str) -> bool:
        """A message to systemd, over the datagram socket that NOTIFY_SOCKET names (@ begins an abstract one)."""
        path = os.environ.get("NOTIFY_SOCKET", "")
        if not path.startswith(("/", "@")):
            self.log.warning("systemd supervision error: NOTIFY_SOCKET not found!")
            return False
        import socket

        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.sendto(text.encode(), "\0" + path[1:] if path[0] == "@" else path)
        except OSError as error:
            self.log.warning("systemd supervision error: sd_notify: %d", -(error.errno or 0))
            return False
        return True

    # ---- the pid file
    def write_pidfile(self) -> None:
        """pidfile; a daemon always has one."""
        if self.config.daemonize and not self.config.pidfile:
            self.config.store("pidfile", DEFAULT_PIDFILE)
        if self.config.pidfile:
            try:
                with open(self.config.pidfile, "w", encoding="ascii") as file:
                    file.write(f"{os.getpid()}\n")
            except OSError as error:
                self.log.warning("Failed to write PID file: %s", error.strerror)

    # ---- the process list
    def title_variables(self, title: str) -> dict[str, str]:
        """What proc-title-template may name."""
        config = self.config
        port = config.port or config.tls_port
        listens = f"{config.bind[0] if config.bind else '*'}:{port}" if port else f"unixsocket:{config.unixsocket}"
        mode = "[cluster]" if config.cluster_enabled else "[sentinel]" if config.sentinel_mode else ""
        return {
            "title": title, "listen-addr": listens, "server-mode": mode, "port": str(config.port),
            "tls-port": str(config.tls_port), "unixsocket": config.unixsocket or "",
            "config-file": config.configfile or "-",
        }

    def set_title(self, title: str = "") -> bool:
        """Show the expanded proc-title-template; `title` is what the process is, for a child ("redis-rdb-bgsave")."""
        shown = expand_title(self.config.proc_title_template, self.title_variables(title or program_title(self.config)))
        return shown is not None and kernel.set_title(os.fsencode(shown))

    def follow_title(self, config: Config) -> str | None:
        """CONFIG SET proc-title-template."""
        if config.set_proc_title and kernel.title_room() and not self.set_title():
            return "failed to set process title"
        return None

    # ---- processors
    def use_cpus(self, text: str | None) -> None:
        """Keep this thread on the CPUs of a list: server_cpulist for us, bgsave_cpulist for a child..."""
        set_cpus(text)

    # ---- out of memory
    def set_oom_score(self, kind: int | None = None) -> bool:
        """oom-score-adj: which process the kernel ends first. kind: MASTER or REPLICA (None: what we are), or CHILD."""
        config = self.config
        if kind is None:
            kind = REPLICA if config.replicaof else MASTER
        if config.oom_score_adj == "no":
            if self._oom_base is None:
                return True
            score, self._oom_base = self._oom_base, None
        else:
            if self._oom_base is None:
                try:
                    with open(OOM_SCORE, "rb") as file:
                        self._oom_base = int(file.read())
                except (OSError, ValueError) as error:
                    self.log.warning("Unable to read oom_score_adj: %s", getattr(error, "strerror", error))
                    return False
            score = config.oom_score_adj_values[kind]
            if config.oom_score_adj != "absolute":       # "yes" is relative
                score += self._oom_base
        try:
            with open(OOM_SCORE, "wb", buffering=0) as file:
                file.write(b"%d\n" % max(OOM_LOWEST, min(OOM_HIGHEST, score)))
        except OSError as error:
            self.log.warning("Unable to write oom_score_adj: %s", error.strerror)
            return False
        return True

    def follow_oom_score(self, _config: Config) -> str | None:
        """CONFIG SET oom-score-adj and oom-score-adj-values."""
        return None if self.set_oom_score() else "Failed to set current oom_score_adj. Check server logs."

    # ---- warnings and the rest
    def set_locale(self) -> bool:
        """locale-collate, which decides the order of SORT ... ALPHA."""
        try:
            locale.setlocale(locale.LC_COLLATE, self.config.locale_collate)
        except (locale.Error, ValueError):
            self.log.warning("Failed to configure LOCALE for invalid locale name.")
            return False
        return True

    def check_memory_settings(self) -> None:
        """Kernel settings under which a forked child, or a page of two megabytes, hurts."""
        if first_line("/proc/sys/vm/overcommit_memory") not in ("", "1"):
            self.log.warning(OVERCOMMIT)
        if "[always]" in first_line("/sys/kernel/mm/transparent_hugepage/enabled"):
            if not (self.config.disable_thp and kernel.disable_huge_pages()):
                self.log.warning(HUGE_PAGES)
        if first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource") == "xen":
            self.log.warning(XEN_CLOCK)

    def check_backlog(self) -> None:
        """tcp-backlog above what the kernel grants."""
        granted = first_line("/proc/sys/net/core/somaxconn")
        if granted.isdigit() and 0 < int(granted) < self.config.tcp_backlog:
            self.log.warning(BACKLOG, self.config.tcp_backlog, int(granted))


def first_line(path: str) -> str:
    """The first line of a file of the kernel's; "" when there is none."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.readline().strip()
    except OSError:
        return ""


def program_title(config: Config) -> str:
    """{title}: the name that process monitors look for where a path would end, and ours in the place of the folder."""
    return f"{OURS}/{'redis-sentinel' if config.sentinel_mode else 'redis-server'}"


def program_name() -> str:
    """What a user types to start us: `remus-server`, also when it was `python -m server`."""
    name = os.path.basename(sys.argv[0])
    return OURS if name in ("__main__.py", "remus_server.py") else sys.argv[0]


def leave_terminal() -> None:
    """daemonize: a child without terminal goes on, the parent ends. What is printed from now on is seen by nobody."""
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    if null > 2:
        os.close(null)


def parse_cpulist(text: str) -> set[int] | None:
    """`0,2-3`, `0-20:2` as a set of CPUs; None when it is not such a list."""
    cpus: set[int] = set()
    for part in text.split(","):
        first, dash, rest = part.partition("-")
        last, colon, step = rest.partition(":") if dash else (first, "", "")
        if not all(word.isdecimal() for word in (first, last, step if colon else "1")):
            return None
        if colon and int(step) == 0 or int(first) > int(last):
            return None
        cpus.update(range(int(first), int(last) + 1, int(step) if colon else 1))
    return cpus


def set_cpus(text: str | None) -> None:
    """*_cpulist: the CPUs of this thread and of those that it will start. A malformed list is passed over."""
    cpus = parse_cpulist(text) if text else None
    if cpus and hasattr(os, "sched_setaffinity"):
        try:
            os.sched_setaffinity(0, cpus)
        except (OSError, ValueError):
            pass
