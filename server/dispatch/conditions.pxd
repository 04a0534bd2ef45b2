# cython: language_level=3
"""Why fast paths must decline for everybody right now: two words of bits, tested once per command."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t

cdef enum:                             # of all fast paths
    SLOW_OFF = 1                       # DEBUG fast-paths no
    SLOW_MONITORS = 2
    SLOW_PAUSED = 4
    SLOW_LOADING = 8
    SLOW_SCRIPT = 16                   # a script holds the server
    SLOW_STALE = 64                    # a replica that must not serve
    SLOW_CLUSTER = 128                 # a node of a cluster: the door asks whose slot it is
    SLOW_EXPIRED_KEPT = 256            # a replica: expired keys are hidden, not deleted
    DISK_FAILS = 1024                  # even PING goes through the gates

cdef enum:                             # of those that write
    SLOW_WATCHED = 1
    SLOW_READONLY = 4
    SLOW_DISK = 8                      # MISCONF
    SLOW_FEW_REPLICAS = 16
    SLOW_BLOCKED_CLIENTS = 64          # somebody waits for a key

cdef enum:                             # in Conditions.events, and in what every event asks for
    HEARD_CHANGES = 0x80000000         # somebody may have read what is changed (clients.tracking)

cdef struct Conditions:
    uint32_t all                       # bits of the first kind
    uint32_t writes                    # bits of the second
    uint32_t events                    # classes of keyspace events that somebody may hear of (event_kind); HEARD_CHANGES
    size_t max_memory                  # 0 = no limit; beyond it room is made before a command
    bint evicts                        # maxmemory-policy is another than noeviction
    int64_t dirty                      # changes made by fast paths since the server last collected them
    int64_t slow_log_ns                # slowlog-log-slower-than, -1 = off
    bint track_latency

cdef Conditions state                  # the same, for inline functions of others

cdef Conditions* conditions() noexcept nogil
cdef uint32_t event_kind(str letter) except? 0         # the bit of a class of notify-keyspace-events
