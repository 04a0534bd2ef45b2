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
        if self.depth == 0 and self.unit:
            self._end_unit()

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
        if db != self.selected:
            self._select(db)
        write_raw(&self.stream, command, length)

    # ---- once a turn
    def flush(self) -> None:
        """Give the listeners what came together."""
        cdef bytes wire
        cdef Chunk* chunk
        cdef char* at
        if self.stream.bytes == 0:
            return
        wire = PyBytes_FromStringAndSize(NULL, self.stream.bytes)
        at = PyBytes_AS_STRING(wire)
        chunk = self.stream.head
        while chunk != NULL:
            memcpy(at, chunk.bytes, chunk.used)
            at += chunk.used
            chunk = chunk.next
        output_clear(&self.stream)
        for listener in list(self.listeners):
            listener(wire)
