# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The queue of MULTI: the words of every command, one behind the other in one buffer.

It has the form of a batch that a lane has parsed (iothreads.message), so that EXEC can hand each command to its fast
path as it is; only a command without one gets its words as Python objects, when it runs. A command that came from the
network is copied with its RESP bytes, which is also what AOF and replicas are told. Transactions come and go: their
arrays are kept for the next, as long as they are small.
"""
cimport cython
from libc.stdlib cimport abort, free, realloc
from libc.string cimport memcpy, memset

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.ref cimport Py_INCREF, PyObject

from iothreads.message cimport Arg, arg_at, arg_length
from server.clients.client cimport CLIENT_DIRTY_CAS, CLIENT_DIRTY_EXEC, CLIENT_MULTI, SLOW_MULTI

from server.registry.command import WRITE

cdef enum:
    WORD_OVERHEAD = 8                  # bytes per word in multi-mem
    OBJECT_BYTES = 320                 # of a transaction besides its arrays
    SPARES = 64                        # sets of arrays that are kept ...
    SPARE_BYTES = 65536                # ... none of them larger than this
    FIRST_BYTES = 1024
    FIRST_ARGS = 32
    FIRST_COMMANDS = 8

cdef Batch _spares[SPARES]
cdef int _spare_count = 0


cdef void* _grown(void* block, size_t bytes) noexcept nogil:
    block = realloc(block, bytes)
    if block == NULL:
        abort()
    return block


cdef size_t _capacity(const Batch* b) noexcept nogil:
    """Bytes of its arrays."""
    return b.capacity + b.arg_capacity * sizeof(Arg) + b.command_capacity * sizeof(Request)


cdef void _make_room(Batch* b, size_t bytes, uint32_t args) noexcept nogil:
    """For one more command of so many bytes and words."""
    if b.used + bytes > b.capacity:
        b.capacity = max(b.used + bytes, max(2 * b.capacity, <size_t>FIRST_BYTES))
        b.buffer = <char*>_grown(b.buffer, b.capacity)
    if b.arg_count + args > b.arg_capacity:
        b.arg_capacity = max(b.arg_count + args, max(2 * b.arg_capacity, <uint32_t>FIRST_ARGS))
        b.args = <Arg*>_grown(b.args, b.arg_capacity * sizeof(Arg))
    if b.command_count == b.command_capacity:
        b.command_capacity = max(2 * b.command_capacity, <uint32_t>FIRST_COMMANDS)
        b.commands = <Request*>_grown(b.commands, b.command_capacity * sizeof(Request))


cdef inline Request* _new_command(Batch* b, void* record, uint32_t args) noexcept nogil:
    """The next command, without its words yet."""
    cdef Request* r = &b.commands[b.command_count]
    b.command_count += 1
    r.first_arg = b.arg_count
    r.arg_count = args
    r.record = record
    r.hash = 0
    r.bytes = b.used
    r.bytes_length = 0
    r.gap = 0
    b.arg_count += args
    return r


cdef inline void _put_word(Batch* b, Arg* arg, const char* text, size_t length) noexcept nogil:
    arg.offset = b.used
    arg.length = length
    memcpy(b.buffer + b.used, text, length)
    b.used += length


@cython.freelist(64)
@cython.final
cdef class Transaction:
    """One transaction. Complexity: O(size of the command) to queue one."""

    def __cinit__(self):
        global _spare_count
        if _spare_count:
            _spare_count -= 1
            self.batch = _spares[_spare_count]
        else:
            memset(&self.batch, 0, sizeof(Batch))
        self.plain = True

    def __dealloc__(self):
        global _spare_count
        cdef Batch* b = &self.batch
        if _spare_count < SPARES and _capacity(b) <= SPARE_BYTES:
            b.used = 0
            b.arg_count = b.command_count = b.next = 0
            _spares[_spare_count] = b[0]
            _spare_count += 1
        else:
            free(b.buffer)
            free(b.args)
            free(b.commands)

    cdef void add(self, const Batch* b, const Request* r) noexcept:
        cdef Batch* q = &self.batch
        cdef const Arg* words = b.args + r.first_arg
        cdef uint32_t i
        cdef size_t length = 0
        cdef Request* new
        for i in range(r.arg_count):
            length += words[i].length
        self.memory += length + WORD_OVERHEAD * r.arg_count
        _make_room(q, max(length, r.bytes_length), r.arg_count)
        new = _new_command(q, r.record, r.arg_count)
        new.hash = r.hash
        if r.bytes_length == 0 or r.gap:           # it came inline, or in two pieces
            for i in range(r.arg_count):
                _put_word(q, q.args + new.first_arg + i, b.buffer + words[i].offset, words[i].length)
            return
        memcpy(q.buffer + q.used, b.buffer + r.bytes, r.bytes_length)
        for i in range(r.arg_count):
            q.args[new.first_arg + i].offset = words[i].offset - r.bytes + q.used
            q.args[new.first_arg + i].length = words[i].length
        new.bytes_length = r.bytes_length
        q.used += r.bytes_length

    cdef list words(self, uint32_t index):
        cdef Request* r = &self.batch.commands[index]
        cdef list argv = PyList_New(r.arg_count)
        cdef bytes word
        cdef uint32_t i
        for i in range(r.arg_count):
            word = PyBytes_FromStringAndSize(arg_at(&self.batch, r, i), arg_length(&self.batch, r, i))
            Py_INCREF(word)
            PyList_SET_ITEM(argv, i, word)
        return argv

    def queue(self, Client client, command, list argv, bint spreads=True) -> None:
        """One more command, and whether it may change something; not kept when EXEC is going to refuse anyway."""
        cdef Batch* q = &self.batch
        cdef Request* new
        cdef bytes word
        cdef size_t length = 0
        cdef uint32_t i = 0
        if client.state & (CLIENT_DIRTY_CAS | CLIENT_DIRTY_EXEC):
            return
        for word in argv:
            length += PyBytes_GET_SIZE(word)
        self.memory += length + WORD_OVERHEAD * len(argv)
        self.plain = False
        self.slow = True
        self.spreads |= spreads
        _make_room(q, length, len(argv))
        new = _new_command(q, <void*><PyObject*>command.record, len(argv))
        for word in argv:
            _put_word(q, q.args + new.first_arg + i, PyBytes_AS_STRING(word), PyBytes_GET_SIZE(word))
            i += 1

    # ---- for Python
    def __len__(self) -> int:
        return self.batch.command_count

    @property
    def commands(self) -> list:
        """(registry Command, words) of each."""
        return [((<object><PyObject*>self.batch.commands[i].record).command, self.words(i))
                for i in range(self.batch.command_count)]

    def declares(self, flags) -> None:
        """A script that is being queued counts as a command with these flags."""
        if self.declared is None:
            self.declared, self.every_declared = flags, flags
        else:
            self.declared |= flags
            self.every_declared &= flags
        self.writes = self.writes or flags & WRITE != 0

    @property
    def flags(self):
        """Flags that any of them has. Complexity: O(N), like the next."""
        cdef uint32_t i
        flags = self.declared or 0
        for i in range(self.batch.command_count):
            flags |= (<object><PyObject*>self.batch.commands[i].record).command.flags
        return flags

    @property
    def every_flag(self):
        """Flags that all of them have."""
        cdef uint32_t i
        flags = -1 if self.declared is None else self.every_declared
        for i in range(self.batch.command_count):
            flags &= (<object><PyObject*>self.batch.commands[i].record).command.flags
        return flags

    @property
    def overhead(self) -> int:
        """Bytes all of it costs."""
        return OBJECT_BYTES + _capacity(&self.batch)


cdef void begin_transaction(Client client):
    client.transaction = Transaction.__new__(Transaction)
    client.state |= CLIENT_MULTI
    client.slow |= SLOW_MULTI


cdef void end_transaction(Client client):
    client.transaction = None
    client.state &= ~<unsigned long long>(CLIENT_MULTI | CLIENT_DIRTY_CAS | CLIENT_DIRTY_EXEC)
    client.slow &= ~<uint32_t>SLOW_MULTI


def begin(Client client) -> None:
    """MULTI."""
    begin_transaction(client)


def end(Client client) -> None:
    """Leave MULTI; what is watched stays watched."""
    end_transaction(client)
