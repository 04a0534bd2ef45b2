# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.message cimport Chunk, Output, output_clear, output_init
from iothreads.resp_writer cimport write_bulk, write_header, write_raw
from server.structures.block_stream cimport TO_ALL, TO_AOF, TO_REPLICAS, Sink, Stream


cdef class Propagation:
    """One per server."""

    def __cinit__(self, Stream stream):
        self.stream = stream
        self.listeners = []
        self.told = []
        self.unit = []
        self.audience = self.spread = self.mask = TO_ALL
        self.say_select()

    def __dealloc__(self):
        output_clear(&self.out)
        output_clear(&self.before)

    # ---- who listens
    def subscribe(self, Sink sink, listener=None) -> None:
        """It gets the commands from now on."""
        self.flush()
        self.stream.attach(sink)
        self.listeners.append((sink, listener))
        self.follow()
        self.say_select()

    def unsubscribe(self, Sink sink) -> None:
        """The end of that; what is under way it gets before."""
        self.flush()
        self.listeners = [entry for entry in self.listeners if entry[0] is not sink]
        self.stream.detach(sink)
        self.follow()

    def address(self, uint32_t audience) -> None:
        """From now on commands are for these kinds of sinks: ALL on a master, AOF on a replica."""
        self.flush()
        self.audience = self.spread = audience
        self.follow()
        self.say_select()

    def follow(self) -> None:
        """A sink came to the stream, or went."""
        self.told = [listener for _, listener in self.listeners if listener is not None]
        self.wanted = self.stream.kinds & self.audience != 0

    def say_select(self) -> None:
        """Have the next command preceded by SELECT (a new sink, or a new file, that starts in the middle)."""
        self.selected = self.selected_by[0] = self.selected_by[1] = -1

    @property
    def selected_for_replicas(self) -> int:
        """The database of the last command that replicas heard; -1: the next one comes with SELECT."""
        return self.selected_by[1]

    # ---- what happened
    def also(self, db, list argv) -> None:
        """A command of the unit under way, in order."""
        if self.spread & self.stream.kinds:
            self.unit.append((db.index, argv, self.spread))
            if self.depth == 0:
                self.end_unit()

    def to_replicas(self, db, list argv) -> None:
        """A command of the unit under way that only replicas hear of (PUBLISH)."""
        cdef uint32_t spread = self.spread
        self.spread &= TO_REPLICAS
        self.also(db, argv)
        self.spread = spread

    def enter(self) -> None:
        """A unit begins (units nest: only the outermost counts)."""
        self.depth += 1

    cpdef leave(self):
        """A unit ends: write what it caused."""
        self.depth -= 1
        if self.depth == 0:
            if self.gathering:
                self.end_gathering()
            elif self.unit:
                self.end_unit()

    # ---- a unit that gathers: commands of fast paths (bytes) and others (argv) in one order
    cdef void gather(self) noexcept:
        if not self.gathering:
            self.gathering = True
            self.gathered = self.gathered_for = 0
            self.swap()
            self.cuts = None
            self.mask = TO_ALL

    cdef void swap(self) noexcept:
        cdef Output out = self.out
        cdef list cuts = self.cuts
        self.out = self.before
        self.cuts = self.before_cuts
        self.before = out
        self.before_cuts = cuts

    cdef int gather_one(self, int db, uint32_t mask) except -1:
        """A command of that database is about to be written. Its SELECT stands within MULTI."""
        self.select(db, mask)
        self.go_on_for(mask)
        self.gathered += 1
        self.gathered_for |= mask
        return 0

    cdef int gather_unit(self) except -1:
        """What came as argv since the last command."""
        cdef list unit = self.unit
        self.unit = []
        for db, argv, mask in unit:
            self.gather_one(db, mask)
            self.write(argv)
        return 0

    cdef int end_gathering(self) except -1:
        cdef Output own
        cdef list own_cuts
        cdef size_t start
        cdef Chunk* chunk
        cdef bint several
        self.gather_unit()
        several = self.gathered > 1 and not self.loose
        own, own_cuts = self.out, self.cuts
        self.out, self.cuts = self.before, self.before_cuts
        output_init(&self.before)
        self.before_cuts = None
        self.gathering = False
        self.mask = TO_ALL
        if several:
            self.go_on_for(self.gathered_for)
            write_raw(&self.out, b"*1\r\n$5\r\nMULTI\r\n", 15)
        self.go_on_for(TO_ALL)
        start = self.out.bytes
        for byte, mask in own_cuts or ():
            self.cuts = self.cuts if self.cuts is not None else []
            self.cuts.append((start + <size_t>byte, mask))
            self.mask = mask
        chunk = own.head
        while chunk != NULL:
            write_raw(&self.out, chunk.bytes, chunk.used)
            chunk = chunk.next
        output_clear(&own)
        if several:
            self.go_on_for(self.gathered_for)
            write_raw(&self.out, b"*1\r\n$4\r\nEXEC\r\n", 14)
        self.go_on_for(TO_ALL)
        return 0

    cdef int end_unit(self) except -1:
        cdef bint several = len(self.unit) > 1 and not self.loose
        cdef list unit = self.unit
        cdef uint32_t together = 0
        self.unit = []
        if several:
            for _, _, mask in unit:
                together |= <uint32_t>mask
            self.go_on_for(together)
            write_raw(&self.out, b"*1\r\n$5\r\nMULTI\r\n", 15)
        for db, argv, mask in unit:
            self.select(db, mask)
            self.go_on_for(mask)
            self.write(argv)
        if several:
            self.go_on_for(together)
            write_raw(&self.out, b"*1\r\n$4\r\nEXEC\r\n", 14)
        self.go_on_for(self.audience)
        return 0

    cdef void go_on_for(self, uint32_t mask):
        """What is written to `out` from here on is for these."""
        if mask != self.mask:
            self.mask = mask
            if self.cuts is None:
                self.cuts = []
            self.cuts.append((self.out.bytes, mask))

    cdef int select(self, int db, uint32_t mask) except -1:
        """A command for these follows, of that database."""
        cdef uint32_t need = 0
        if db == self.selected or db < 0:
            return 0
        if mask & TO_AOF and self.selected_by[0] != db:
            need |= TO_AOF
            self.selected_by[0] = db
        if mask & TO_REPLICAS and self.selected_by[1] != db:
            need |= TO_REPLICAS
            self.selected_by[1] = db
        self.selected = db if self.selected_by[0] == self.selected_by[1] else -1
        if need:
            self.go_on_for(need)
            self.write([b"SELECT", b"%d" % db])
            self.go_on_for(mask)
        return 0

    cdef int write(self, list argv) except -1:
        cdef bytes word
        write_header(&self.out, c'*', len(argv))
        for word in argv:
            write_bulk(&self.out, PyBytes_AS_STRING(word), PyBytes_GET_SIZE(word))
        return 0

    cdef void begin_raw(self, int db) noexcept:
        if self.gathering:
            if self.unit:
                self.gather_unit()
            self.gather_one(db, self.audience)
        else:
            if db != self.selected:
                self.select(db, self.audience)
            if self.mask != self.audience:
                self.go_on_for(self.audience)

    # ---- once a turn
    def flush(self) -> None:
        """Pass on to the stream what came together, but for a unit that is not over."""
        if self.gathering:
            if self.before.bytes:
                cuts, self.before_cuts = self.before_cuts, None
                self.pass_on(&self.before, cuts)
        elif self.out.bytes:
            cuts, self.cuts = self.cuts, None
            self.mask = TO_ALL
            self.pass_on(&self.out, cuts)

    cdef int pass_on(self, Output* out, list cuts) except -1:
        cdef size_t at = 0
        cdef size_t until
        cdef uint32_t mask = TO_ALL
        cdef list told = self.told
        for listener in told:
            listener.begin_turn()
        for byte, following in cuts or ():
            until = byte
            if until > at:
                self.stream.take_part(out, until - at, mask)
                at = until
            mask = following
        if mask == TO_ALL:
            self.stream.take(out)
        else:
            self.stream.take_part(out, out.bytes, mask)
        for listener in told:
            listener.end_turn()
        return 0
