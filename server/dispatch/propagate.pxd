# cython: language_level=3
"""What AOF and replicas are told: RESP commands with SELECTs, made in one place and passed on once a turn.

A command is one execution unit; so is a whole EXEC or script. A unit that caused several commands is wrapped in
MULTI/EXEC, as in Redis 7 (propagatePendingCommands). The commands of a unit come in two forms, in one order: argv lists
(`also`) and the bytes of fast paths (`feed_raw`); a unit with both is gathered aside until it is over.

Each kind of sink has a SELECT of its own, for a script may send commands to one kind alone (redis.set_repl, `spread`).
`cuts` say from which byte on the bytes under way are for whom.

A sink may come with a listener: `begin_turn()` before the commands of a turn are in the stream, `end_turn()` after.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t

from iothreads.message cimport Output
from iothreads.resp_writer cimport write_raw
from server.structures.block_stream cimport Stream

cdef class Propagation:
    cdef readonly Stream stream        # where the bytes of each turn go
    cdef list listeners                # (sink, who is told of turns, or None)
    cdef list told                     # of them, who is told
    cdef readonly bint wanted          # somebody listens; nothing is made otherwise
    cdef Output out                    # this turn's bytes; of a unit that gathers only its own
    cdef list cuts                     # [(byte of `out`, mask)]: from there on it is for these; None: all for all
    cdef Output before                 # while a unit gathers: the turn's bytes before it ...
    cdef list before_cuts              # ... and their cuts
    cdef uint32_t mask                 # for whom the last byte of `out` is
    cdef bint gathering                # the unit under way has fast paths' bytes among its commands
    cdef uint32_t gathered             # commands in `out` then ...
    cdef uint32_t gathered_for         # ... and for whom they are
    cdef int selected                  # database of the last command, if it is the same for all kinds; -1: look at the next
    cdef int selected_by[2]            # of AOF and replicas; -1: say SELECT first
    cdef list unit                     # (db index, argv, mask) of the execution unit under way
    cdef readonly uint32_t audience    # for whom commands are: ALL, on a replica AOF: its replicas get the master's own bytes
    cdef public uint32_t spread        # for whom those of the unit under way are: the audience, but for scripts
    cdef public bint loose             # the unit's commands have nothing to do with one another (SCAN deleting expired keys)
    cdef public int depth              # > 0 inside EXEC, a script or a running command
    cdef inline int64_t end(self) noexcept:
        """The offset behind all that came so far, or a little more (what the append only file alone gets counts)."""
        return self.stream.offset + <int64_t>self.out.bytes

    cdef inline void feed_raw(self, int db, const char* command, size_t length) noexcept:
        """One command's own RESP bytes; the rest may follow in `out`."""
        if self.gathering or db != self.selected or self.mask != self.audience:
            self.begin_raw(db)
        if length:
            write_raw(&self.out, command, length)

    cdef void begin_raw(self, int db) noexcept         # what must stand before a command's bytes
    cpdef leave(self)                  # a unit ends: write what it caused
    cdef void gather(self) noexcept    # the unit under way (depth > 0) may have commands of fast paths among its own
    cdef int gather_one(self, int db, uint32_t mask) except -1
    cdef int gather_unit(self) except -1
    cdef int end_gathering(self) except -1
    cdef void swap(self) noexcept
    cdef int end_unit(self) except -1
    cdef void go_on_for(self, uint32_t mask)
    cdef int select(self, int db, uint32_t mask) except -1
    cdef int write(self, list argv) except -1
    cdef int pass_on(self, Output* out, list cuts) except -1
