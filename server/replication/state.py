"""The states of a replica, as its master goes through them."""


class State:
    """How far the sync of a replica is."""

    NONE = 0                           # REPLCONF came, but no PSYNC yet
    WAIT_START = 1                     # for a snapshot to begin
    WAIT_END = 2                       # for one under way
    SEND_BULK = 3                      # it is being sent
    ONLINE = 4
    RDB_SENT = 5                       # it only wanted the snapshot
    LOADING = 6                        # it gets the stream, and its snapshot by a second connection


SHOWN = {State.WAIT_START: "wait_bgsave", State.WAIT_END: "wait_bgsave", State.SEND_BULK: "send_bulk",
         State.ONLINE: "online", State.RDB_SENT: "rdb_transmitted",
         State.LOADING: "bg_transfer"}         # by INFO
