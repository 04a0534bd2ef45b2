# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport int64_t, uint32_t

from cpython.dict cimport PyDict_Size

from server.clients.tracking cimport Tracking
from server.dispatch.conditions cimport (HEARD_CHANGES, SLOW_LOADING, SLOW_PAUSED, SLOW_READONLY, SLOW_SCRIPT, event_kind,
                                         state)
from server.dispatch.propagate cimport Propagation
from server.keyspace.database cimport Database
from server.keyspace.evict cimport Evictor
from server.registry.clock cimport clock_state

from server.observe.internal_errors import internal_errors

cdef Evictor _evictor = None
cdef Propagation _propagation = None
cdef object _effects = None
cdef Tracking _tracking = None
cdef object _look = None
cdef int64_t _looked_us = 0            # the turn of the loop that looked last
cdef uint32_t _HEARD = event_kind("e") | <uint32_t>HEARD_CHANGES

cdef enum:                             # ... nor while a file fills the keyspace, or a script is in the middle of it
    _NOTHING_GOES = SLOW_PAUSED | SLOW_LOADING | SLOW_SCRIPT


def use(Evictor evictor, Propagation propagation, effects, Tracking tracking, look) -> None:
    """Who chooses keys, who hears of those that went; look(): find out anew what clients and scripts have."""
    global _evictor, _propagation, _effects, _tracking, _look
    _evictor, _propagation, _effects, _tracking, _look = evictor, propagation, effects, tracking, look


cdef bint make_room() noexcept:
    global _looked_us
    if not state.evicts or state.all & _NOTHING_GOES or state.writes & SLOW_READONLY:      # a replica
        return False
    try:
        if _looked_us != clock_state().monotonic_us:   # nothing goes for what a client had that is gone
            _looked_us = clock_state().monotonic_us
            _look()
            if has_room():
                return True
        done = _evictor.evict_to(state.max_memory)
        if _tracking.pending and _propagation.depth == 0:
            _tracking.settle_now()     # before the command for which it went
        return done
    except Exception:
        internal_errors.note("Making room")
        return False


def key_evicted(Database db, bytes key) -> None:
    """A key went to make room: AOF, replicas, watchers, listeners and who has read it hear of it."""
    if _propagation.wanted:
        _propagation.also(db, [b"UNLINK" if _evictor.lazy else b"DEL", key])
    if state.events & _HEARD or PyDict_Size(db.watched) or PyDict_Size(db.blocking):
        _effects.changed(db, key, "evicted")
