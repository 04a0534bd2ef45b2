# cython: language_level=3
cdef enum:
    SLOW_FAULTS = 32                   # DEBUG FAULT: gates are asked

state.track_latency = True
state.slow_log_ns = 10000000

_ALL = {"off": SLOW_OFF, "monitors": SLOW_MONITORS, "paused": SLOW_PAUSED, "loading": SLOW_LOADING, "script": SLOW_SCRIPT,
        "faults": SLOW_FAULTS, "stale": SLOW_STALE, "cluster": SLOW_CLUSTER, "expired-kept": SLOW_EXPIRED_KEPT}
_EVENT_CLASSES = "g$lshzxetdmn"
_WRITES = {"watched": SLOW_WATCHED, "readonly": SLOW_READONLY, "disk": SLOW_DISK,
           "few-replicas": SLOW_FEW_REPLICAS, "blocked-clients": SLOW_BLOCKED_CLIENTS}


cdef Conditions* conditions() noexcept nogil:
    return &state


cdef uint32_t event_kind(str letter) except? 0:
    return 1 << _EVENT_CLASSES.index(letter)


def hear_events(str classes) -> None:
    """Of which keyspace events (letters of notify-keyspace-events) somebody may hear: fast paths make those."""
    state.events &= <uint32_t>HEARD_CHANGES
    for letter in classes:
        if letter in _EVENT_CLASSES:
            state.events |= event_kind(letter)


def hear_changes(bint yes) -> None:
    """Whether somebody may have read what is changed from now on: fast paths tell `clients.tracking`."""
    state.events = state.events | <uint32_t>HEARD_CHANGES if yes else state.events & ~<uint32_t>HEARD_CHANGES


def slow_because(str reason, bint yes=True) -> None:
    """Say (or take back) a reason why fast paths must decline: a name of the two lists above."""
    if reason == "disk":
        state.all = state.all | DISK_FAILS if yes else state.all & ~<uint32_t>DISK_FAILS
    if reason in _ALL:
        state.all = state.all | <int>_ALL[reason] if yes else state.all & ~<uint32_t><int>_ALL[reason]
    else:
        state.writes = (state.writes | <int>_WRITES[reason] if yes
                        else state.writes & ~<uint32_t><int>_WRITES[reason])


def reasons() -> list[str]:
    """The reasons in force."""
    return ([name for name, bit in _ALL.items() if state.all & <int>bit]
            + [name for name, bit in _WRITES.items() if state.writes & <int>bit])


def set_max_memory(size_t limit) -> None:
    """maxmemory, bytes."""
    state.max_memory = limit


def set_evicting(bint yes) -> None:
    """maxmemory-policy: whether keys may go to make room."""
    state.evicts = yes


def set_slow_log(int64_t microseconds) -> None:
    """slowlog-log-slower-than; negative is off."""
    state.slow_log_ns = microseconds * 1000 if microseconds >= 0 else -1


def set_latency_tracking(bint yes) -> None:
    """latency-tracking."""
    state.track_latency = yes


def take_dirty() -> int:
    """Changes that fast paths made since the last call."""
    dirty = state.dirty
    state.dirty = 0
    return dirty
