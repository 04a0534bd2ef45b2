# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memmove

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from server.keyspace.database cimport Keyspace
from server.persistence.debug_delay cimport debug_delay
from server.persistence.object_reader cimport take_value
from server.persistence.rdb_format cimport RDB_MODULE_1, RDB_MODULE_2, RDB_STRING, RDB_TYPE_END, RDB_VERSION
from server.persistence.rdb_input cimport (
    RdbText, input_fail, input_init, input_left, take_length, take_milliseconds, take_name, take_raw, take_text,
    text_free)
from server.persistence.rdb_save cimport (
    OP_AUX, OP_EOF, OP_EXPIRETIME, OP_EXPIRETIME_MS, OP_FREQ, OP_FUNCTION2, OP_FUNCTION_PRE_GA, OP_IDLE, OP_MODULE_AUX,
    OP_RESIZEDB, OP_SELECTDB)
from server.structures.blob cimport blob_new
from server.structures.crc64 cimport crc64
from server.structures.table cimport (INLINE_MAX, STR_BLOB, STR_EMBEDDED, TYPE_STRING, Entry, entry_set_type,
                                      entry_word_ref, table_delete, table_find, table_hash, table_insert_inline,
                                      table_insert_word, table_resize_hint, table_set_expire)
from server.types.stream cimport stream_value
from server.types.value cimport LooseEntry, release_value

cdef enum:
    HEAD = 9                           # bytes: REDIS and the version
    FIRST_WITH_CHECKSUM = 5
    CHECKSUM = 8                       # bytes
    LONGEST_IDLE = 0x7FFFFF
    HINTED = 1 << 20                   # keys that a file of unknown length may make room for ahead ...
    MOST_HINTED = 1 << 24              # ... and one whose length was said, and whose bytes are not here
    TOLD = 10                          # of keys without elements, so many are named; of miscounted streams likewise


class BadFile(ValueError):
    """The file cannot be loaded; the text says why."""


cdef class RdbReader:
    """Loads a file into a keyspace: `begin`, then `step` until it says False; `position` is then behind the file's end
    (an append only file may go on there).

    data is a buffer, start where in it the file begins; None: its bytes come by `feed`, until `end`, and `step` stops where
    it would need more of them (`starved`). total: bytes of such a file, 0 when nobody knows. What lacks bytes is read anew
    when twice as many are there, so that reading stays O(N). on_field(name, value) hears of AUX fields, on_library(source)
    of function libraries, on_warning(text) of what is strange but can be loaded. trusted: compact encodings are not
    searched for duplicates; all else is checked. BadFile when something is wrong: what was loaded stays. Complexity:
    O(N) in all.
    """

    def __cinit__(self, Keyspace keyspace, data, size_t start=0, *, on_field, on_library, bint checksum=True,
                  bint drop_expired=True, bint replace=False, int64_t delay_us=0, on_database=None, bint trusted=True,
                  on_warning=None, on_expired=None, uint64_t total=0):
        if data is None:
            self.growing = True
            self.total = total
            input_init(&self.input, NULL, 0)
        else:
            PyObject_GetBuffer(data, &self.view, PyBUF_SIMPLE)
            self.viewed = True
            if start > <size_t>self.view.len:
                start = self.view.len
            input_init(&self.input, <char*>self.view.buf + start, self.view.len - start)
        self.input.trusted = trusted
        self.summed = self.input.p
        self.crc = 0
        self.checksum = checksum
        self.keyspace = keyspace
        self.db = keyspace.databases[0]
        self.on_field = on_field
        self.on_library = on_library
        self.on_database = on_database
        self.on_warning = on_warning
        self.item = self.input.p
        self.item_type = -1
        self.doing = "start"
        self.drop_expired = drop_expired
        self.on_expired = on_expired
        self.replace = replace
        self.delay_us = delay_us
        self.now_ms = keyspace.clock.unix_ms
        self.expire = self.idle = self.frequency = -1
        self.last_key = b""

    def __dealloc__(self):
        self.close()

    def close(self) -> None:
        """Let go of the buffer."""
        if self.viewed:
            self.viewed = False
            PyBuffer_Release(&self.view)
        free(self.own)
        self.own = NULL
        self.own_size = 0
        input_init(&self.input, NULL, 0)

    cdef uint64_t _place(self, const unsigned char* at) noexcept:
        """Where in the file, or the buffer, that is."""
        if self.viewed:
            return at - <const unsigned char*>self.view.buf
        return self.dropped + (at - self.own)

    @property
    def position(self) -> int:
        """Bytes of the buffer that are read."""
        return self._place(self.input.p)

    @property
    def item_position(self) -> int:
        """Where in the buffer what was read last begins."""
        return self._place(self.item)

    # ---- bytes that come
    def feed(self, bytes data) -> None:
        """The next bytes. Errors: MemoryError."""
        cdef size_t left = input_left(&self.input)
        cdef size_t more = PyBytes_GET_SIZE(data)
        cdef size_t size = self.own_size
        cdef unsigned char* grown
        if self.own != NULL:
            self.dropped += self.input.p - self.own
            memmove(self.own, self.input.p, left)
        if left + more > size:
            size = max(left + more, 2 * size)
            grown = <unsigned char*>realloc(self.own, size)
            if grown == NULL:
                raise MemoryError
            self.own = grown
            self.own_size = size
        memcpy(self.own + left, PyBytes_AS_STRING(data), more)
        self.input.p = self.summed = self.item = self.own
        self.input.end = self.own + left + more

    def end(self) -> None:
        """There are no more."""
        self.growing = False

    @property
    def starved(self) -> bool:
        """Whether `step` can do nothing before there are more bytes."""
        return self.growing and input_left(&self.input) < max(<size_t>1, self.wanted)

    cdef int _want(self) except -1:
        """What was read last is not all there: it is read again when there is more."""
        self.wanted = 2 * (self.input.end - self.item)
        self.input.p = self.item
        self.input.fault = NULL
        self.input.hungry = self.input.empty = self.input.miscounted = False
        self._sum()
        return 0

    cdef uint64_t _to_come(self) noexcept:
        """The most keys that the rest of the file can hold, as far as that is to be believed: a key takes more than a
        byte, so no lie can ask for much."""
        cdef uint64_t read
        if not self.growing:
            return input_left(&self.input)
        read = self._place(self.input.p)
        if self.total == 0:
            return HINTED
        return min(self.total - read, <uint64_t>MOST_HINTED) if self.total > read else 0

    def begin(self) -> None:
        """Read the head."""
        cdef const unsigned char* at = take_raw(&self.input, HEAD)
        self.begun = True
        if at == NULL:
            raise BadFile("short read")
        if memcmp(at, b"REDIS", 5) != 0:
            raise BadFile("signature")
        digits = PyBytes_FromStringAndSize(<char*>at + 5, 4)
        self.version = int(digits) if digits.isdigit() else 0
        if not 1 <= self.version <= RDB_VERSION:
            raise BadFile("version")

    def step(self, size_t size) -> bool:
        """Load about so many bytes, those that are there; False at the end of the file."""
        cdef const unsigned char* goal
        cdef const unsigned char* at
        if self.growing and input_left(&self.input) < max(self.wanted, 1 if self.begun else HEAD):
            self.wanted = max(self.wanted, 1 if self.begun else HEAD)
            return True
        self.wanted = 0
        if not self.begun:
            self.begin()
        goal = self.input.p + min(size, input_left(&self.input))
        while True:
            if self.growing and input_left(&self.input) == 0:
                self._sum()
                return True
            self.item = self.input.p
            self.item_type = -1
            self.doing = "read-type"
            at = take_raw(&self.input, 1)
            if at == NULL:
                raise BadFile("short read")
            self.item_type = at[0]
            if at[0] >= RDB_TYPE_END:
                if not self._opcode(at[0]):
                    if self.growing and self.version >= FIRST_WITH_CHECKSUM and input_left(&self.input) < CHECKSUM:
                        self._want()
                        return True
                    self._end()
                    return False
            else:
                self._key(at[0])
            if self.input.fault != NULL:
                if self.growing and self.input.hungry:
                    self._want()
                    return True
                raise BadFile(self.input.fault.decode())
            if self.input.p >= goal:
                self._sum()
                return True

    cdef void _sum(self) noexcept:
        if self.checksum:
            self.crc = crc64(self.crc, self.summed, self.input.p - self.summed)
        self.summed = self.input.p

    # ---- what stands between keys
    cdef bint _opcode(self, int op) except -1:
        """Anything that is no key; 0 at the end."""
        cdef uint64_t number = 0
        cdef uint64_t more = 0
        cdef const unsigned char* at
        self.doing = ("read-expire" if op == OP_EXPIRETIME_MS or op == OP_EXPIRETIME else "read-aux" if op == OP_AUX
                      else "read-functions" if op == OP_FUNCTION2 else "read-module-aux" if op == OP_MODULE_AUX
                      else "read-len")
        if op == OP_EXPIRETIME_MS:
            take_milliseconds(&self.input, &self.expire)
        elif op == OP_SELECTDB:
            if take_length(&self.input, &number):
                if number >= <uint64_t>len(self.keyspace.databases):
                    raise BadFile("databases")
                self.db = self.keyspace.databases[number]
                if self.on_database is not None:
                    self.on_database(number)
        elif op == OP_RESIZEDB:
            if take_length(&self.input, &number) and take_length(&self.input, &more):
                if number <= self._to_come():
                    table_resize_hint(self.db.table, number)
        elif op == OP_FREQ:
            at = take_raw(&self.input, 1)
            if at != NULL:
                self.frequency = at[0]
        elif op == OP_IDLE:
            if take_length(&self.input, &number):
                self.idle = number if number < LONGEST_IDLE else LONGEST_IDLE
        elif op == OP_EOF:
            return False
        elif op == OP_EXPIRETIME:
            at = take_raw(&self.input, 4)
            if at != NULL:
                self.expire = <int64_t><int32_t>(<uint32_t>at[0] | <uint32_t>at[1] << 8 | <uint32_t>at[2] << 16
                                                 | <uint32_t>at[3] << 24) * 1000
        elif op == OP_AUX:
            name = self._bytes()
            value = self._bytes()
            if self.input.fault == NULL:
                self.on_field(name, value)
        elif op == OP_FUNCTION2:
            source = self._bytes()
            if self.input.fault == NULL:
                self.on_library(source)
        elif op == OP_FUNCTION_PRE_GA:
            raise BadFile("Pre-release function format not supported.")
        elif op == OP_MODULE_AUX:
            raise BadFile("module data")
        else:
            raise BadFile(f"Unknown RDB encoding type {op}")
        return True

    cdef bytes _bytes(self):
        cdef RdbText text
        if not take_text(&self.input, &text):
            return b""
        result = PyBytes_FromStringAndSize(text.s, text.n)
        text_free(&text)
        return result

    cdef int _end(self) except -1:
        """Behind the end: the checksum."""
        self.doing = "check-sum"
        self.item_type = -1
        cdef const unsigned char* at
        cdef uint64_t said = 0
        cdef int i
        self._sum()
        if self.version < FIRST_WITH_CHECKSUM:
            return 0
        at = take_raw(&self.input, CHECKSUM)
        if at == NULL:
            raise BadFile("short read")
        for i in range(CHECKSUM):
            said |= <uint64_t>at[i] << (8 * i)
        self.summed = self.input.p
        if not self.checksum:
            return 0
        if said == 0:
            self.on_field(b"", b"RDB file was saved with checksum disabled: no check performed.")
        elif said != self.crc:
            raise BadFile(f"checksum {self.crc:x} {said:x}")
        return 0

    # ---- keys
    cdef int _key(self, int type) except -1:
        cdef RdbText name
        cdef bint fine
        self.doing = "read-key"
        if not take_name(&self.input, &name):
            return 0
        self.doing = "read-object-value"
        if type == RDB_MODULE_1 or type == RDB_MODULE_2:
            input_fail(&self.input, "a value of a module, which this server does not have")
            fine = False
        else:
            fine = self._add(name.s, name.n, type)
        if not fine:
            self.last_key = PyBytes_FromStringAndSize(name.s, name.n)
        text_free(&name)
        if not fine and self.growing and self.input.hungry:
            return 0                   # the same key again when there is more
        self.keys_with_expire += self.expire != -1
        self.expire = self.idle = self.frequency = -1
        debug_delay(self.delay_us, self.keys_loaded)
        return 0

    cdef bint _add(self, const char* name, size_t n, int type) except -1:
        """Read a value and give it to the key; 0: input.fault says why not."""
        cdef LooseEntry value
        cdef RdbText text
        cdef uint64_t hash = table_hash(name, n)
        cdef bint drop = self.drop_expired and self.expire != -1 and self.expire < self.now_ms
        cdef bint twice
        cdef Entry* e
        if type == RDB_STRING:
            if not take_text(&self.input, &text):
                return False
        elif not take_value(&self.input, type, &value):
            if self.input.fault != NULL:
                return False
            self.input.empty = False       # the next value may have something
            self.keys_empty += 1
            if self.keys_empty <= TOLD:
                self.on_field(b"", b"rdbLoadObject skipping empty key: " + PyBytes_FromStringAndSize(name, n))
            return True
        if self.input.miscounted:
            self.input.miscounted = False
            self._warn(name, n, &stream_value(&value.head).log)
        twice = not drop and table_find(self.db.table, name, n, hash) != NULL
        if drop or (twice and not self.replace):
            if type == RDB_STRING:
                text_free(&text)
            else:
                release_value(&value.head)
            if twice:
                input_fail(&self.input, "the same key twice")
                return False
            self.keys_expired += 1
            if self.on_expired is not None:
                self.on_expired(self.db, PyBytes_FromStringAndSize(name, n))
            return True
        if twice:
            table_delete(self.db.table, name, n, hash, release_value)
        if type != RDB_STRING:
            e = table_insert_word(self.db.table, name, n, hash, entry_word_ref(&value.head)[0])
            e.meta = value.head.meta & 0xFF000000U
        elif text.n <= INLINE_MAX:
            e = table_insert_inline(self.db.table, name, n, hash, text.s, text.n)
            entry_set_type(e, TYPE_STRING, STR_EMBEDDED)
            text_free(&text)
        else:
            e = table_insert_word(self.db.table, name, n, hash, <uint64_t>blob_new(text.s, text.n, text.n))
            entry_set_type(e, TYPE_STRING, STR_BLOB)
            text_free(&text)
        e.meta = (e.meta & 0xFF000000U) | (self._access() & 0xFFFFFF)
        if self.expire != -1:
            table_set_expire(self.db.table, e, hash, self.expire)
        self.keys_loaded += 1
        return True

    cdef int _warn(self, const char* name, size_t n, const StreamLog* log) except -1:
        """A stream's length is wrong."""
        self.streams_miscounted += 1
        if self.on_warning is not None and self.streams_miscounted <= TOLD:
            key = PyBytes_FromStringAndSize(name, n).decode("utf-8", "backslashreplace")
            self.on_warning(f"Stream '{key}' has {<int64_t>log.length - log.surplus} entries, but the file gives its "
                            f"length as {log.length}, which XLEN keeps: old versions of Redis counted wrong.")
        return 0

    cdef uint32_t _access(self) noexcept:
        """The access bits: what the file says, if it says it in the way of our maxmemory-policy."""
        cdef Keyspace shared = self.keyspace
        if shared.lfu and self.frequency >= 0:
            return (shared.clock.minutes << 8) | <uint32_t>self.frequency
        if not shared.lfu and self.idle >= 0:
            return shared.clock.lru - <uint32_t>self.idle
        return shared.first_access()
