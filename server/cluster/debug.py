"""DEBUG about the cluster."""

from server.observe.debug_settings import switch
from server.registry import args

switch(
    "DROP-CLUSTER-PACKET-FILTER",
    "drop_cluster_packet_filter",
    args.integer,
    "<packet-type>",
    "Drop bus messages of a type; -1 none.",
)
