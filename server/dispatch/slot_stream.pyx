# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What the stream of commands says of some slots: for another server that is to have their keys.

    note(slot)       keys of the slot that commands name are remembered: `take_noted`
    pass_on(slot)    commands of the slot go into `take`, as they came
    drain()          sort what has come into the stream since the last time

It is a sink like that of a replica. A unit (MULTI, a script) is passed on whole, as far as it is of slots that are
passed on. All keys of a command are of one slot. Complexity of drain: O(bytes).
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memchr, memmove, memset

from cpython.bytes cimport PyBytes_FromStringAndSize

from server.dispatch.record cimport Record, record_of
from server.persistence.rdb_sink cimport RdbSink, put_raw, sink_free, sink_init
from server.structures.block_stream cimport TO_REPLICAS, Sink
from server.structures.crc16 cimport CLUSTER_SLOTS, key_hash_slot

cdef extern from "strings.h" nogil:
    int strncasecmp(const char* a, const char* b, size_t n)

cdef enum:
    FIRST = 4                          # words whose places are kept; a key further behind is found by the registry
    PASSED_OVER = 0                    # of a slot
    NOTED = 1
    PASSED_ON = 2

cdef bytes MULTI = b"*1\r\n$5\r\nMULTI\r\n"
cdef bytes EXEC = b"*1\r\n$4\r\nEXEC\r\n"


cdef inline const char* _number(const char* at, const char* end, int64_t* number) noexcept nogil:
    """Behind the line that has it, after a mark; NULL: the line is not whole."""
    cdef const char* line = <const char*>memchr(at, c'\n', end - at)
    cdef int64_t n = 0
    if line == NULL:
        return NULL
    at += 1
    while at < line - 1:
        n = n * 10 + (at[0] - c'0')
        at += 1
    number[0] = n
    return line + 1


cdef class SlotStream(Sink):
    """One for each server that is sent slots."""

    cdef uint8_t ways[CLUSTER_SLOTS]
    cdef RdbSink came                  # not sorted yet: in the end the beginning of a command
    cdef RdbSink out
    cdef dict noted
    cdef bint in_unit                  # between MULTI and EXEC ...
    cdef bint unit_told                # ... of which the MULTI was passed on
    cdef const char* words[FIRST]      # of the command at hand
    cdef int64_t lengths[FIRST]
    cdef int64_t count

    def __cinit__(self):
        self.kind = TO_REPLICAS
        memset(self.ways, PASSED_OVER, sizeof(self.ways))
        sink_init(&self.came, 0, False)
        sink_init(&self.out, 0, False)
        self.noted = {}

    def __dealloc__(self):
        sink_free(&self.came)
        sink_free(&self.out)

    def note(self, int slot) -> None:
        """From what comes next on, keys of the slot are remembered."""
        self.ways[slot % CLUSTER_SLOTS] = NOTED

    def pass_on(self, int slot) -> None:
        """From what comes next on, commands of the slot are passed on."""
        self.ways[slot % CLUSTER_SLOTS] = PASSED_ON

    def take_noted(self) -> list[bytes]:
        """Keys that were named since the last time."""
        cdef list found = list(self.noted)
        self.noted.clear()
        return found

    def take(self) -> bytes:
        """What is to be passed on since the last time."""
        data = PyBytes_FromStringAndSize(<char*>self.out.data, self.out.length)
        self.out.length = 0
        return data

    def drain(self) -> None:
        """Sort what has come."""
        cdef char* piece
        cdef size_t length
        cdef const char* at
        cdef const char* end
        cdef const char* behind
        while self.next_piece(&piece, &length) != NULL:
            put_raw(&self.came, piece, length)
            self.advance(length)
        at = <const char*>self.came.data
        end = at + self.came.length
        while at < end:
            behind = self.read(at, end)
            if behind == NULL:
                break
            self.sort(at, behind - at)
            at = behind
        if at != <const char*>self.came.data:          # else there is nothing, or not one whole command
            self.came.length = end - at
            memmove(self.came.data, at, self.came.length)

    cdef const char* read(self, const char* at, const char* end) noexcept nogil:
        """Find the words of a command; returns what stands behind it, NULL: it is not whole."""
        cdef int64_t i, length = 0
        if at[0] != c'*':              # a newline between commands
            self.count = 0
            return at + 1
        at = _number(at, end, &self.count)
        for i in range(self.count):
            if at == NULL or at >= end:
                return NULL
            at = _number(at, end, &length)
            if at == NULL or end - at < length + 2:
                return NULL
            if i < FIRST:
                self.words[i] = at
                self.lengths[i] = length
            at += length + 2
        return at

    cdef bint says(self, const char* name, int64_t length) noexcept nogil:
        return self.lengths[0] == length and strncasecmp(self.words[0], name, length) == 0

    cdef int sort(self, const char* at, size_t length) except -1:
        cdef Record record
        cdef void* known
        cdef int first
        cdef uint8_t way
        if self.count == 0:
            return 0
        if self.says("multi", 5):
            self.in_unit, self.unit_told = True, False
            return 0
        if self.says("exec", 4):
            if self.unit_told:
                put_raw(&self.out, <char*>EXEC, len(EXEC))
            self.in_unit = self.unit_told = False
            return 0
        known = record_of(self.words[0], self.lengths[0])
        if known == NULL:
            return 0
        record = <Record>known
        if record.subcommands is not None and self.count > 1:
            record = record.subcommands.get(PyBytes_FromStringAndSize(self.words[1], self.lengths[1]).lower(), record)
        first = record.first_key
        if first < 0 or (not record.write and record.command.name == "spublish"):
            return 0
        if 0 < first < FIRST and first < self.count:
            way = self.ways[key_hash_slot(self.words[first], self.lengths[first])]
            if way == PASSED_OVER:
                return 0
            keys = None
        else:
            keys = self.keys_of(record, at, length)
            if not keys:
                return 0
            way = self.ways[key_hash_slot(<bytes>keys[0], len(<bytes>keys[0]))]
        if way == PASSED_ON:
            if self.in_unit and not self.unit_told:
                put_raw(&self.out, <char*>MULTI, len(MULTI))
                self.unit_told = True
            put_raw(&self.out, at, length)
        elif way == NOTED:
            for key in keys if keys is not None else self.keys_of(record, at, length):
                self.noted[key] = None
        return 0

    cdef list keys_of(self, Record record, const char* at, size_t length):
        """All keys of the command at hand, as the registry knows them."""
        cdef const char* end = at + length
        cdef int64_t i, n = 0
        cdef list argv = []
        at = _number(at, end, &n)
        for i in range(self.count):
            at = _number(at, end, &n)
            argv.append(PyBytes_FromStringAndSize(at, n))
            at += n + 2
        return [argv[reference.position] for reference in record.command.keys.references(argv) or ()]
