# cython: language_level=3
cdef Conditions _conditions
_conditions.track_latency = True
_conditions.slow_log_ns = 10000000

_ALL = {"off": SLOW_OFF, "monitors": SLOW_MONITORS, "paused": SLOW_PAUSED, "loading": SLOW_LOADING, "script": SLOW_SCRIPT,
        "notify-reads": SLOW_NOTIFY_READS, "stale": SLOW_STALE, "cluster": SLOW_CLUSTER,
        "expired-kept": SLOW_EXPIRED_KEPT, "tracked-reads": SLOW_TRACKED_READS}
cdef enum:
    _PING_TOO = 1024                   # a bit of the first kind: while the disk fails even PING goes through the gates
_WRITES = {"watched": SLOW_WATCHED, "notify": SLOW_NOTIFY, "readonly": SLOW_READONLY, "disk": SLOW_DISK,
           "few-replicas": SLOW_FEW_REPLICAS, "tracked": SLOW_TRACKED, "blocked-clients": SLOW_BLOCKED_CLIENTS}


cdef Conditions* conditions() noexcept nogil:
    return &_conditions


def slow_because(str reason, bint yes=True) -> None:
    """Say (or take back) a reason why fast paths must decline: a name of the two lists above."""
    if reason == "disk":
        _conditions.all = _conditions.all | _PING_TOO if yes else _conditions.all & ~<uint32_t>_PING_TOO
    if reason in _ALL:
        _conditions.all = _conditions.all | <int>_ALL[reason] if yes else _conditions.all & ~<uint32_t><int>_ALL[reason]
    else:
        _conditions.writes = (_conditions.writes | <int>_WRITES[reason] if yes
                              else _conditions.writes & ~<uint32_t><int>_WRITES[reason])


def reasons() -> list[str]:
    """The reasons in force."""
    return ([name for name, bit in _ALL.items() if _conditions.all & <int>bit]
            + [name for name, bit in _WRITES.items() if _conditions.writes & <int>bit])


def set_max_memory(size_t limit) -> None:
    """maxmemory, bytes."""
    _conditions.max_memory = limit


def set_slow_log(int64_t microseconds) -> None:
    """slowlog-log-slower-than; negative is off."""
    _conditions.slow_log_ns = microseconds * 1000 if microseconds >= 0 else -1


def set_latency_tracking(bint yes) -> None:
    """latency-tracking."""
    _conditions.track_latency = yes


def take_dirty() -> int:
    """Changes that fast paths made since the last call."""
    dirty = _conditions.dirty
    _conditions.dirty = 0
    return dirty
