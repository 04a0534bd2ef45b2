"""Directives about the server as a process: how it starts, logs, names itself, is scheduled and ends."""

from server.config.special import Directory, Locale, OomScoreAdjValues
from server.registry.directive import INT_MAX, Bool, Choice, Choices, Flag, Number, Text

_TITLE_VARIABLES = {"title": "", "listen-addr": "*:0", "server-mode": "", "port": "0", "tls-port": "0",
                    "unixsocket": "", "config-file": ""}
_SIGNAL_ACTIONS = ("default", "save", "nosave", "now", "force")


def expand_title(template: str, variables: dict[str, str]) -> str | None:
    """The template with {name} replaced and {{ read as {; None when it is malformed or names an unknown variable."""
    parts, at = [], 0
    while (brace := template.find("{", at)) >= 0:
        parts.append(template[at:brace])
        if template.startswith("{{", brace):
            parts.append("{")
            at = brace + 2
            continue
        end = template.find("}", brace)
        name = template[brace + 1 : end] if end >= 0 else ""
        if name not in variables:
            return None
        parts.append(variables[name])
        at = end + 1
    return "".join((*parts, template[at:])).strip(" ")


def _check_title(template: str) -> str | None:
    if not expand_title(template, _TITLE_VARIABLES):
        return "template format is invalid or contains unknown variables"
    return None


def _check_signal_actions(actions: frozenset[str]) -> str | None:
    if {"save", "nosave"} <= actions:
        return "shutdown options SAVE and NOSAVE can't be used simultaneously"
    return None


DIRECTIVES = (
    Bool("daemonize", False, "Run in the background and write a pid file.", flags=Flag.IMMUTABLE),
    Choice("supervised", "no", ("upstart", "systemd", "auto", "no"), "Which supervisor to tell that start-up is done.",
           flags=Flag.IMMUTABLE),
    Text("pidfile", "", "File that holds the process id while the server runs.", optional=True, flags=Flag.IMMUTABLE),
    Choice("loglevel", "notice", ("debug", "verbose", "notice", "warning", "nothing"),
           "The least important kind of message that is still logged."),
    Text("logfile", "", "File to append log lines to; empty for standard output.", flags=Flag.IMMUTABLE),
    Bool("syslog-enabled", False, "Send log lines to syslog as well.", flags=Flag.IMMUTABLE),
    Text("syslog-ident", "redis", "Name the server goes by in syslog.", flags=Flag.IMMUTABLE),
    Choice("syslog-facility", "local0", ("user", *(f"local{n}" for n in range(8))), "Syslog facility.",
           flags=Flag.IMMUTABLE),
    Bool("crash-log-enabled", True, "Write a report to the log when the server crashes."),
    Bool("crash-memcheck-enabled", True, "Accepted for compatibility: a crash report tests no memory here."),
    Bool("use-exit-on-panic", False, "Leave by exit instead of abort after a panic (for tests).", flags=Flag.HIDDEN),
    Number("databases", 16, 1, INT_MAX, "Number of databases SELECT can choose from.", flags=Flag.IMMUTABLE),
    Bool("always-show-logo", False, "Print the start-up banner even when the log is not a terminal.",
         flags=Flag.IMMUTABLE),
    Bool("set-proc-title", True, "Show name and address in the process list.", flags=Flag.IMMUTABLE),
    Text("proc-title-template", "{title} {listen-addr} {server-mode}", "What the process list shows.",
         check=_check_title),
    Locale("locale-collate", "", "Locale that string comparison uses; empty takes it from the environment."),
    Directory("dir", "", "Working directory: data files are written here.",
              flags=Flag.PROTECTED | Flag.DENY_LOADING),
    Number("hz", 10, 0, INT_MAX, "How often a second background work runs (1 to 500).", clamp=(1, 500)),
    Bool("dynamic-hz", True, "Raise hz while many clients are connected."),
    Choices("shutdown-on-sigint", _SIGNAL_ACTIONS, "What SIGINT does: default, or save/nosave, now, force.",
            check=_check_signal_actions),
    Choices("shutdown-on-sigterm", _SIGNAL_ACTIONS, "What SIGTERM does: default, or save/nosave, now, force.",
            check=_check_signal_actions),
    Number("shutdown-timeout", 10, 0, INT_MAX, "Seconds a shutdown waits for replicas to catch up.",
           part="replication"),
    Choice("oom-score-adj", "no", ("no", "yes", "relative", "absolute"),
           "Whether to tell the kernel which processes to kill first when memory runs out.",
           same={"relative": "yes"}),
    OomScoreAdjValues("oom-score-adj-values", (0, 200, 800),
                      "Scores for a master, a replica and a background child.", flags=Flag.MULTI_ARG),
    Bool("disable-thp", True, "Turn transparent huge pages off for this process.", flags=Flag.IMMUTABLE),
    Text("ignore-warnings", "", "Start-up warnings to pass over, by name."),
    Text("server_cpulist", "", "CPUs for the main and the I/O threads, as 0-3,5 or 0-7:2.", optional=True,
         flags=Flag.IMMUTABLE),
    Text("bio_cpulist", "", "CPUs for the background threads.", optional=True, flags=Flag.IMMUTABLE),
    Text("aof_rewrite_cpulist", "", "CPUs for the AOF rewriting child.", optional=True, flags=Flag.IMMUTABLE),
    Text("bgsave_cpulist", "", "CPUs for the snapshot child.", optional=True, flags=Flag.IMMUTABLE),
    Number("watchdog-period", 0, 0, INT_MAX, "Milliseconds after which a stuck command is reported to the log.",
           flags=Flag.HIDDEN),
    Text("req-res-logfile", "", "File that records requests and replies (for tests of the protocol).", optional=True,
         flags=Flag.IMMUTABLE | Flag.HIDDEN, part="request log"),
    Number("client-default-resp", 2, 2, 3, "Protocol version a new client speaks (for tests).",
           flags=Flag.IMMUTABLE | Flag.HIDDEN, part="request log"),
)
