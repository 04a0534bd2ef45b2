# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from iothreads.message cimport Chunk, Output, output_clear
from iothreads.resp_writer cimport write_bulk, write_header, write_raw


cdef class Propagation:
    """The stream. A command is one execution unit; so is a whole EXEC or script. A unit that caused several commands is
    wrapped in MULTI/EXEC, as in Redis 7 (propagatePendingCommands)."""

    def __cinit__(self):
        self.listeners = []
        self.unit = []
        self.selected = -1

    def __dealloc__(self):
        output_clear(&self.stream)
        output_clear(&self.before)

    # ---- who listens
    def subscribe(self, listener) -> None:
        """listener(bytes) gets the commands of each turn, before the replies of that turn leave."""
        self.listeners.append(listener)
        self.wanted = True
        self.selected = -1

    def unsubscribe(self, listener) -> None:
        """The end of that."""
        self.listeners.remove(listener)
        self.wanted = bool(self.listeners)

    def say_select(self) -> None:
        """Have the next command preceded by SELECT (a new listener that starts in the middle)."""
        self.selected = -1

    # ---- what happened
    def also(self, db, list argv) -> None:
        """A command of the unit under way, in order."""
        if self.wanted:
            self.unit.append((db.index, argv))
            if self.depth == 0:
                self._end_unit()

    def enter(self) -> None:
        """A unit begins (units nest: only the outermost counts)."""
        self.depth += 1

    def leave(self) -> None:
        """A unit ends: write what it caused."""
        self.depth -= 1
        if self.depth == 0:
            if self.gathering:
                self._end_gathering()
            elif self.unit:
                self._end_unit()

    # ---- a unit that gathers: EXEC, with commands of fast paths (bytes) and others (argv) in one order
    cdef void gather(self) noexcept:
        if not self.gathering:
            self.gathering = True
            self.gathered = 0
            self._swap()

    cdef void _swap(self) noexcept:
        cdef Output stream = self.stream
        self.stream = self.before
        self.before = stream

    cdef int _gather_one(self, int db) except -1:
        """A command of that database is about to be written. The first one's SELECT stands before MULTI."""
        if self.gathered == 0:
            self._swap()
            self._select(db)
            self._swap()
        else:
            self._select(db)
        self.gathered += 1
        return 0

    cdef int _gather_unit(self) except -1:
        """What came as argv since the last command."""
        cdef list unit = self.unit
        self.unit = []
        for db, argv in unit:
            self._gather_one(db)
            self._write(argv)
        return 0

    cdef int _end_gathering(self) except -1:
        cdef Output own
        cdef Chunk* chunk
        cdef bint several
        self._gather_unit()
        several = self.gathered > 1 and not self.loose
        own = self.stream
        self.stream = self.before
        self.before.head = self.before.tail = NULL
        self.before.bytes = 0
        self.gathering = False
        if several:
            write_raw(&self.stream, b"*1\r\n$5\r\nMULTI\r\n", 15)
        chunk = own.head
        while chunk != NULL:
            write_raw(&self.stream, chunk.bytes, chunk.used)
            chunk = chunk.next
        output_clear(&own)
        if several:
            write_raw(&self.stream, b"*1\r\n$4\r\nEXEC\r\n", 14)
        return 0

    cdef int _end_unit(self) except -1:
        cdef bint several = len(self.unit) > 1 and not self.loose
        cdef list unit = self.unit
        self.unit = []
        if several:
            self._select(unit[0][0])
            write_raw(&self.stream, b"*1\r\n$5\r\nMULTI\r\n", 15)
        for db, argv in unit:
            self._select(db)
            self._write(argv)
        if several:
            write_raw(&self.stream, b"*1\r\n$4\r\nEXEC\r\n", 14)
        return 0

    cdef int _select(self, int db) except -1:
        if db != self.selected and db >= 0:
            self.selected = db
            self._write([b"SELECT", b"%d" % db])
        return 0

    cdef int _write(self, list argv) except -1:
        cdef bytes word
        write_header(&self.stream, c'*', len(argv))
        for word in argv:
            write_bulk(&self.stream, PyBytes_AS_STRING(word), PyBytes_GET_SIZE(word))
        return 0

    cdef void feed_raw(self, int db, const char* command, size_t length) noexcept:
        if self.gathering:
            if self.unit:
                self._gather_unit()
            self._gather_one(db)
        elif db != self.selected:
            self._select(db)
        write_raw(&self.stream, command, length)

    # ---- once a turn
    def flush(self) -> None:
        """Give the listeners what came together, but for a unit that is not over."""
        cdef bytes wire
        cdef Chunk* chunk
        cdef char* at
        cdef Output* stream = &self.before if self.gathering else &self.stream
        if stream.bytes == 0:
            return
        wire = PyBytes_FromStringAndSize(NULL, stream.bytes)
        at = PyBytes_AS_STRING(wire)
        chunk = stream.head
        while chunk != NULL:
            memcpy(at, chunk.bytes, chunk.used)
            at += chunk.used
            chunk = chunk.next
        output_clear(stream)
        for listener in list(self.listeners):
            listener(wire)
