"""Directives about Redis Cluster."""

from server.registry.directive import INT_MAX, LLONG_MAX, ULLONG_MAX, Bool, Choice, Flag, Memory, Number, Text

BUS_PORT_OFFSET = 10000     # of the bus above the port for clients, where cluster-port does not say it
_PART = "cluster"
_HOST_MAX = 256
_NOT_IN_NODE_NAMES = frozenset("!#$%&()*+:;<>?@[]^{|}~")


def _check_hostname(name: str) -> str | None:
    if len(name) >= _HOST_MAX:
        return f"Hostnames must be less than {_HOST_MAX} characters"
    if not all(char.isascii() and (char.isalnum() or char in "-.") for char in name):
        return "Hostnames may only contain alphanumeric characters, hyphens or dots"
    return None


def _check_nodename(name: str) -> str | None:
    return "Announced human node name contained invalid character" if _NOT_IN_NODE_NAMES & set(name) else None


DIRECTIVES = (
    Bool("cluster-enabled", False, "Run as a node of a cluster.", flags=Flag.IMMUTABLE, part=_PART, promise=True),
    Text("cluster-config-file", "nodes.conf", "File the node keeps its view of the cluster in; not for editing.",
         flags=Flag.IMMUTABLE, part=_PART),
    Number("cluster-node-timeout", 15000, 0, LLONG_MAX, "Milliseconds of silence after which a node counts as failing.",
           part=_PART),
    Number("cluster-port", 0, 0, 65535, "Port of the cluster bus; 0 for the client port plus 10000.",
           flags=Flag.IMMUTABLE, part=_PART),
    Number("cluster-replica-validity-factor", 10, 0, INT_MAX,
           "How many timeouts old a replica's data may be for it to take over; 0 for any age.",
           aliases=("cluster-slave-validity-factor",), part=_PART),
    Number("cluster-migration-barrier", 1, 0, INT_MAX, "Replicas a master must keep before one may move elsewhere.",
           part=_PART),
    Bool("cluster-allow-replica-migration", True, "Let replicas move to masters that have none.", part=_PART),
    Bool("cluster-require-full-coverage", True, "Stop serving while any slot is without a node.", part=_PART),
    Bool("cluster-replica-no-failover", False, "Never let this replica take over by itself.",
         aliases=("cluster-slave-no-failover",), part=_PART),
    Bool("cluster-allow-reads-when-down", False, "Answer reads while the cluster is down.", part=_PART),
    Bool("cluster-allow-pubsubshard-when-down", True, "Serve sharded channels while the cluster is down.", part=_PART),
    Memory("cluster-link-sendbuf-limit", 0, 0, ULLONG_MAX, "Bytes a bus link may queue until it is dropped; 0 for any.",
           part=_PART),
    Bool("cluster-slot-stats-enabled", False,
         "Count processor time and traffic of the commands of each slot, for CLUSTER SLOT-STATS.", part=_PART),
    Text("cluster-announce-ip", "", "Address to tell the other nodes.", optional=True, part=_PART),
    Number("cluster-announce-port", 0, 0, 65535, "Client port to tell the other nodes; 0 for port.", part=_PART),
    Number("cluster-announce-tls-port", 0, 0, 65535, "TLS port to tell the other nodes; 0 for tls-port.", part=_PART),
    Number("cluster-announce-bus-port", 0, 0, 65535, "Bus port to tell the other nodes; 0 for the real one.",
           part=_PART),
    Text("cluster-announce-hostname", "", "Host name to tell clients and nodes.", optional=True, part=_PART,
         check=_check_hostname),
    Text("cluster-announce-human-nodename", "", "Name of this node in log lines.", optional=True, part=_PART,
         check=_check_nodename),
    Choice("cluster-preferred-endpoint-type", "ip", ("ip", "hostname", "unknown-endpoint"),
           "What redirections tell a client: address, host name or nothing.", part=_PART),
    Number("cluster-slot-migration-log-max-len", 1000, 0, INT_MAX,
           "How many atomic slot migrations that have ended CLUSTER GETSLOTMIGRATIONS shows.", part=_PART),
    Memory("slot-migration-max-failover-repl-bytes", 0, 0, LLONG_MAX,
           "Bytes on their way to the target at which writers are held for the hand-over; 256 KiB at least.",
           part=_PART),
    Number("cluster-ping-interval", 0, 0, LLONG_MAX, "Milliseconds between two pings of a node (for tests).",
           flags=Flag.HIDDEN, part=_PART),
)
