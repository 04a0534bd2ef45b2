# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.decimal cimport parse_int64
from iothreads.message cimport Output
from iothreads.resp_writer cimport write_header
from server.structures.glob cimport glob_match
from server.structures.intset cimport (intset_add, intset_at, intset_bytes, intset_dup, intset_find, intset_free,
                                       intset_length, intset_max, intset_min, intset_new, intset_random, intset_remove)
from server.structures.listpack cimport (
    LP_INTEGER_TEXT, LP_MAX_BYTES, LpValue, lp_append, lp_append_integer, lp_batch_delete, lp_bytes, lp_delete, lp_dup,
    lp_estimate, lp_find, lp_first, lp_free, lp_get, lp_integer_text, lp_length, lp_new, lp_next, lp_next_random,
    lp_random_below, lp_random_entries, lp_repr, lp_seek)
from server.structures.memory cimport mem_alloc, mem_free, mem_good_size
from server.structures.table cimport (
    ENTRY_WORD, TYPE_SET, Entry, Table, entry_encoding, entry_key, entry_key_length, entry_set_type, entry_word_ref, table_delete,
    table_fair_random, table_find, table_free, table_free_step, table_hash, table_insert_bare, table_memory, table_new,
    table_resize_hint, table_scan, table_seed, table_shrink_if_sparse, table_size)
from server.structures.table_stats cimport table_stats
from server.structures.table_walk cimport table_walk, table_walk_next
from server.types.bulk cimport element_bytes, write_element
from server.types.value cimport LooseEntry, TypeTraits, Value, traits_of, value_class

cdef enum:
    SAMPLE = 1000                      # members drawn from a listpack in one pass, so that a large count needs no large memory
    SPARSE = 3                         # drawing one by one pays while fewer than 1 in so many members are wanted
    MOST_LEAVE = 5                     # SPOP keeps the rest apart instead when at least so many times as many leave
    INTSET_MOST = 1 << 30              # numbers an intset may have whatever the limit says

cdef uint64_t _random_state = table_seed.b

limits.intset_entries = 512
limits.listpack_entries = 128
limits.listpack_value = 64


def set_limits(config) -> None:
    """Follow set-max-intset-entries, set-max-listpack-entries and set-max-listpack-value."""
    limits.intset_entries = config.set_max_intset_entries
    limits.listpack_entries = config.set_max_listpack_entries
    limits.listpack_value = config.set_max_listpack_value


# ---- the entry's word
cdef inline unsigned char** _block(Entry* e) noexcept nogil:
    """The intset or listpack."""
    return <unsigned char**>entry_word_ref(e)


cdef inline void _become(Entry* e, int encoding, uint64_t word) noexcept nogil:
    entry_word_ref(e)[0] = word
    entry_set_type(e, TYPE_SET, encoding)


cdef inline void _free_block(Entry* e) noexcept nogil:
    if entry_encoding(e) == SET_INTSET:
        intset_free(_block(e)[0])
    else:
        lp_free(_block(e)[0])


# ---- encodings
cdef void set_begin(Entry* e, const char* first, size_t n, size_t members) noexcept nogil:
    cdef int64_t number
    cdef Table* t
    if members <= limits.intset_entries and parse_int64(first, n, &number):
        _become(e, SET_INTSET, <uint64_t>intset_new())
    elif members <= limits.listpack_entries:
        _become(e, SET_LISTPACK, <uint64_t>lp_new())
    else:
        t = table_new()
        table_resize_hint(t, members)
        _become(e, SET_TABLE, <uint64_t>t)


cdef void set_grow(Entry* e, size_t members) noexcept nogil:
    cdef int encoding = entry_encoding(e)
    if (encoding == SET_LISTPACK and members > limits.listpack_entries
            or encoding == SET_INTSET and members > limits.intset_entries):
        _to_table(e, members)


cdef void set_as_listpack(Entry* e) noexcept nogil:
    intset_free(_block(e)[0])
    _become(e, SET_LISTPACK, <uint64_t>lp_new())


cdef void _to_table(Entry* e, size_t members) noexcept nogil:
    """Turn an intset or listpack into a table with room for so many members."""
    cdef Table* t = table_new()
    cdef SetWalk walk
    cdef LpValue member
    cdef char digits[LP_INTEGER_TEXT]
    table_resize_hint(t, members)
    set_walk(&walk, e)
    while set_walk_next(&walk, &member):
        _as_text(&member, digits)
        table_insert_bare(t, member.s, member.length, table_hash(member.s, member.length))
    _free_block(e)
    _become(e, SET_TABLE, <uint64_t>t)


cdef void _to_listpack(Entry* e) noexcept nogil:
    """Turn an intset into a listpack."""
    cdef unsigned char* lp = lp_new()
    cdef uint32_t i
    for i in range(intset_length(_block(e)[0])):
        lp_append_integer(&lp, intset_at(_block(e)[0], i))
    intset_free(_block(e)[0])
    _become(e, SET_LISTPACK, <uint64_t>lp)


cdef inline bint _intset_is_full(Entry* e) noexcept nogil:
    return intset_length(_block(e)[0]) > min(limits.intset_entries, <size_t>INTSET_MOST)


cdef void set_to_intset_if_fits(Entry* e) noexcept:
    cdef unsigned char* numbers
    cdef SetWalk walk
    cdef LpValue member
    if entry_encoding(e) == SET_INTSET or set_length(e) > min(limits.intset_entries, <size_t>INTSET_MOST):
        return
    numbers = intset_new()
    set_walk(&walk, e)
    while set_walk_next(&walk, &member):
        if member.s != NULL:
            parse_int64(member.s, member.length, &member.number)
        intset_add(&numbers, member.number)
    _release(entry_encoding(e), entry_word_ref(e)[0])
    _become(e, SET_INTSET, <uint64_t>numbers)


cdef inline void _as_text(LpValue* value, char* digits) noexcept nogil:
    """Give an integer its decimal text, in LP_INTEGER_TEXT bytes at `digits`."""
    if value.s == NULL:
        value.length = lp_integer_text(value.number, digits)
        value.s = digits


# ---- members
cdef uint64_t set_length(Entry* e) noexcept nogil:
    cdef int encoding = entry_encoding(e)
    if encoding == SET_TABLE:
        return table_size(set_table(e))
    return lp_length(_block(e)[0]) if encoding == SET_LISTPACK else intset_length(_block(e)[0])


cdef bint set_add(Entry* e, const char* s, size_t n) noexcept nogil:
    cdef uint64_t hash
    cdef unsigned char* p
    cdef int64_t number
    cdef int encoding = entry_encoding(e)
    if encoding == SET_TABLE:
        hash = table_hash(s, n)
        if table_find(set_table(e), s, n, hash) != NULL:
            return False
        table_insert_bare(set_table(e), s, n, hash)
        return True
    if encoding == SET_LISTPACK:
        p = lp_first(_block(e)[0])
        if p != NULL and lp_find(_block(e)[0], p, s, n, 0) != NULL:
            return False
        if (lp_length(_block(e)[0]) < limits.listpack_entries and n <= limits.listpack_value
                and lp_bytes(_block(e)[0]) + n <= LP_MAX_BYTES):
            lp_append(_block(e), s, n)
            return True
    elif parse_int64(s, n, &number):
        return _add_number(e, number)
    elif _fits_listpack(_block(e)[0], n):
        _to_listpack(e)
        lp_append(_block(e), s, n)
        return True
    _to_table(e, set_length(e) + 1)
    table_insert_bare(set_table(e), s, n, table_hash(s, n))
    return True


cdef bint _add_number(Entry* e, int64_t number) noexcept nogil:
    """Add to an intset."""
    if not intset_add(_block(e), number):
        return False
    if _intset_is_full(e):
        _to_table(e, set_length(e))
    return True


cdef bint _fits_listpack(const unsigned char* numbers, size_t n) noexcept nogil:
    """Whether an intset may become a listpack that gets a string of n bytes as well: the longest number counts for all."""
    cdef uint32_t count = intset_length(numbers)
    cdef char digits[LP_INTEGER_TEXT]
    cdef size_t longest = 0
    cdef uint64_t total = 0
    if count:
        longest = max(lp_integer_text(intset_max(numbers), digits), lp_integer_text(intset_min(numbers), digits))
        total = max(lp_estimate(intset_max(numbers), count), lp_estimate(intset_min(numbers), count))
    return (count < limits.listpack_entries and n <= limits.listpack_value and longest <= limits.listpack_value
            and total + n <= LP_MAX_BYTES)


cdef bint set_remove(Entry* e, const char* s, size_t n) noexcept:
    cdef unsigned char* p
    cdef int64_t number
    cdef int encoding = entry_encoding(e)
    if encoding == SET_TABLE:
        if not table_delete(set_table(e), s, n, table_hash(s, n), NULL):
            return False
        table_shrink_if_sparse(set_table(e))
        return True
    if encoding == SET_INTSET:
        return parse_int64(s, n, &number) and intset_remove(_block(e), number)
    p = lp_first(_block(e)[0])
    if p != NULL:
        p = lp_find(_block(e)[0], p, s, n, 0)
    if p == NULL:
        return False
    lp_delete(_block(e), &p)
    return True


cdef bint set_contains(Entry* e, const char* s, size_t n) noexcept nogil:
    cdef unsigned char* p
    cdef int64_t number
    cdef int encoding = entry_encoding(e)
    if encoding == SET_TABLE:
        return table_find(set_table(e), s, n, table_hash(s, n)) != NULL
    if encoding == SET_INTSET:
        return parse_int64(s, n, &number) and intset_find(_block(e)[0], number)
    p = lp_first(_block(e)[0])
    return p != NULL and lp_find(_block(e)[0], p, s, n, 0) != NULL


cdef bint set_add_value(Entry* e, const LpValue* member) noexcept nogil:
    cdef char digits[LP_INTEGER_TEXT]
    if member.s != NULL:
        return set_add(e, member.s, member.length)
    if entry_encoding(e) == SET_INTSET:
        return _add_number(e, member.number)
    return set_add(e, digits, lp_integer_text(member.number, digits))


cdef bint set_remove_value(Entry* e, const LpValue* member) noexcept:
    cdef char digits[LP_INTEGER_TEXT]
    if member.s != NULL:
        return set_remove(e, member.s, member.length)
    if entry_encoding(e) == SET_INTSET:
        return intset_remove(_block(e), member.number)
    return set_remove(e, digits, lp_integer_text(member.number, digits))


cdef bint set_contains_value(Entry* e, const LpValue* member) noexcept nogil:
    cdef char digits[LP_INTEGER_TEXT]
    if member.s != NULL:
        return set_contains(e, member.s, member.length)
    if entry_encoding(e) == SET_INTSET:
        return intset_find(_block(e)[0], member.number)
    return set_contains(e, digits, lp_integer_text(member.number, digits))


cdef void set_walk(SetWalk* walk, Entry* e) noexcept nogil:
    cdef int encoding = entry_encoding(e)
    walk.set_ = e
    walk.position = 0
    if encoding == SET_TABLE:
        table_walk(&walk.table, set_table(e))
    elif encoding == SET_LISTPACK:
        walk.p = lp_first(_block(e)[0])


cdef bint set_walk_next(SetWalk* walk, LpValue* member) noexcept nogil:
    cdef int encoding = entry_encoding(walk.set_)
    cdef Entry* e
    if encoding == SET_TABLE:
        e = table_walk_next(&walk.table)
        if e == NULL:
            return False
        member.s = entry_key(e)
        member.length = entry_key_length(e)
        return True
    if encoding == SET_LISTPACK:
        if walk.p == NULL:
            return False
        lp_get(walk.p, member)
        walk.p = lp_next(_block(walk.set_)[0], walk.p)
        return True
    if walk.position >= intset_length(_block(walk.set_)[0]):
        return False
    member.s = NULL
    member.length = 0
    member.number = intset_at(_block(walk.set_)[0], walk.position)
    walk.position += 1
    return True


# ---- chance
cdef void set_random(Entry* e, LpValue* member) noexcept nogil:
    cdef int encoding = entry_encoding(e)
    cdef Entry* found
    if encoding == SET_TABLE:
        found = table_fair_random(set_table(e))
        member.s = entry_key(found)
        member.length = entry_key_length(found)
    elif encoding == SET_LISTPACK:
        lp_get(lp_seek(_block(e)[0], lp_random_below(&_random_state, lp_length(_block(e)[0]))), member)
    else:
        member.s = NULL
        member.length = 0
        member.number = intset_random(_block(e)[0], &_random_state)


cdef void set_drop(Entry* e, const LpValue* member) noexcept:
    set_remove_value(e, member)


# ---- replies
cdef void set_write(Entry* e, Output* out, int resp) noexcept:
    cdef SetWalk walk
    cdef LpValue member
    write_header(out, c'~' if resp == 3 else c'*', set_length(e))
    set_walk(&walk, e)
    while set_walk_next(&walk, &member):
        write_element(out, &member)


# ---- the view
cdef class _Scanned:
    """What SSCAN collects."""
    cdef list found
    cdef bytes pattern                 # None: all
    cdef Py_ssize_t seen

    cdef int take(self, const LpValue* member) except -1:
        cdef bytes text = element_bytes(member)
        self.seen += 1
        if self.pattern is None or glob_match(PyBytes_AS_STRING(self.pattern), PyBytes_GET_SIZE(self.pattern),
                                              PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), False):
            self.found.append(text)
        return 0


cdef int _visit(void* context, Entry* e) noexcept:
    cdef LpValue member
    member.s = entry_key(e)
    member.length = entry_key_length(e)
    (<_Scanned>context).take(&member)
    return 0


cdef class Set(Value):
    """A set. Members are bytes."""
    TYPE = TYPE_SET

    cdef int create(self) except -1:
        _become(self.entry, SET_INTSET, <uint64_t>intset_new())
        return 0

    def __len__(self) -> int:
        return set_length(self.entry)

    def __contains__(self, bytes member) -> bool:
        return set_contains(self.entry, PyBytes_AS_STRING(member), PyBytes_GET_SIZE(member))

    def encoding_name(self) -> str:
        """What OBJECT ENCODING says."""
        return ("intset", "listpack", "hashtable")[entry_encoding(self.entry)]

    def is_same(self, Set other) -> bool:
        """Whether both views show the same key's value."""
        return self.entry == other.entry

    # ---- members
    def grow(self, members) -> None:
        """Choose the encoding for the members that are about to be added. For a new set the first one decides between
        an intset and a listpack; so many that they would not fit make a table at once."""
        cdef bytes first
        cdef size_t count = len(members)
        if set_length(self.entry):
            set_grow(self.entry, count)
            return
        first = members[0]
        _release(entry_encoding(self.entry), entry_word_ref(self.entry)[0])
        set_begin(self.entry, PyBytes_AS_STRING(first), PyBytes_GET_SIZE(first), count)

    def add(self, bytes member) -> bool:
        """Add a member; True when it is new. Complexity: O(1), O(N) in the small encodings."""
        return set_add(self.entry, PyBytes_AS_STRING(member), PyBytes_GET_SIZE(member))

    def remove(self, bytes member) -> bool:
        """Remove a member; True when it was there. Complexity: as `add`."""
        return set_remove(self.entry, PyBytes_AS_STRING(member), PyBytes_GET_SIZE(member))

    def members(self) -> list[bytes]:
        """All members. Complexity: O(N)."""
        cdef list found = []
        cdef SetWalk walk
        cdef LpValue member
        set_walk(&walk, self.entry)
        while set_walk_next(&walk, &member):
            found.append(element_bytes(&member))
        return found

    def scan(self, uint64_t cursor, Py_ssize_t count, bytes pattern) -> tuple[int, list[bytes]]:
        """Some members from `cursor` on: (next cursor, members). The small encodings are answered all at once; a table
        by buckets, until `count` members were looked at. pattern: a glob they must match, or None."""
        cdef _Scanned scanned = _Scanned.__new__(_Scanned)
        cdef Py_ssize_t steps = count * 10
        cdef SetWalk walk
        cdef LpValue member
        scanned.found = []
        scanned.pattern = pattern
        if entry_encoding(self.entry) != SET_TABLE:
            set_walk(&walk, self.entry)
            while set_walk_next(&walk, &member):
                scanned.take(&member)
            return 0, scanned.found
        while True:
            cursor = table_scan(set_table(self.entry), cursor, _visit, <void*>scanned)
            steps -= 1
            if cursor == 0 or steps < 0 or scanned.seen >= count:
                return cursor, scanned.found

    # ---- chance
    def random(self) -> bytes:
        """One member, each as likely as another (in a table: nearly)."""
        cdef LpValue member
        set_random(self.entry, &member)
        return element_bytes(&member)

    def draw(self, count) -> list[bytes]:
        """`count` members, each drawn from all of them. Complexity: O(N + count)."""
        cdef list found = []
        cdef LpValue* drawn
        cdef uint32_t batch, i
        left = count
        if entry_encoding(self.entry) != SET_LISTPACK:
            while left > 0:
                found.append(self.random())
                left -= 1
            return found
        drawn = <LpValue*>mem_alloc(SAMPLE * sizeof(LpValue))
        while left > 0:
            batch = min(left, SAMPLE)
            left -= batch
            lp_random_entries(_block(self.entry)[0], batch, &_random_state, drawn)
            for i in range(batch):
                found.append(element_bytes(&drawn[i]))
        mem_free(drawn, SAMPLE * sizeof(LpValue))
        return found

    def draw_distinct(self, uint64_t count) -> list[bytes]:
        """`count` different members, all if there are fewer; every choice is equally likely.
        Complexity: O(N), or O(count) where that is much less."""
        cdef uint64_t size = set_length(self.entry)
        if count >= size:
            return self.members()
        if entry_encoding(self.entry) == SET_LISTPACK or count * SPARSE > size:
            return self._draw_walking(count)
        chosen = {}
        while <uint64_t>len(chosen) < count:
            chosen[self.random()] = None
        return list(chosen)

    cdef list _draw_walking(self, uint64_t count):
        """Selection sampling: each member is taken with the chance (still wanted) / (still to come)."""
        cdef list found = []
        cdef SetWalk walk
        cdef LpValue member
        cdef uint64_t left = set_length(self.entry)
        set_walk(&walk, self.entry)
        while count and set_walk_next(&walk, &member):
            if left <= count or lp_random_below(&_random_state, left) < count:
                found.append(element_bytes(&member))
                count -= 1
            left -= 1
        return found

    def pop(self) -> bytes:
        """Take one random member out. Complexity: O(1), O(N) in the small encodings."""
        cdef LpValue member
        cdef bytes text
        set_random(self.entry, &member)
        text = element_bytes(&member)
        set_drop(self.entry, &member)
        return text

    def pop_many(self, uint64_t count) -> list[bytes]:
        """Take `count` random members out, fewer than there are. Where nearly all leave, the few that stay are put into
        a set of their own, whose encoding is chosen anew as Redis does. Complexity: O(count), O(N) in a listpack."""
        cdef uint64_t keep = set_length(self.entry) - count
        if keep * MOST_LEAVE <= count:
            return self._keep_few(keep)
        if entry_encoding(self.entry) == SET_LISTPACK:
            return self._pop_packed(count)
        return [self.pop() for _ in range(count)]

    cdef list _pop_packed(self, uint64_t count):
        """The same for a listpack, in one pass."""
        cdef list found = []
        cdef unsigned char* lp = _block(self.entry)[0]
        cdef unsigned char* p = lp_first(lp)
        cdef unsigned char** chosen = <unsigned char**>mem_alloc(count * sizeof(unsigned char*))
        cdef uint64_t index = 0
        cdef uint64_t i
        cdef LpValue member
        for i in range(count):
            p = lp_next_random(lp, p, &index, count - i, False, &_random_state)
            lp_get(p, &member)
            found.append(element_bytes(&member))
            chosen[i] = p
            p = lp_next(lp, p)
            index += 1
        lp_batch_delete(_block(self.entry), chosen, count)
        mem_free(chosen, count * sizeof(unsigned char*))
        return found

    cdef list _keep_few(self, uint64_t keep):
        """Keep so many random members in a new set; the others, which leave."""
        cdef LooseEntry few
        cdef LpValue member
        cdef list found
        few.head.klen = ENTRY_WORD
        _become(&few.head, SET_INTSET, <uint64_t>intset_new())
        if entry_encoding(self.entry) != SET_INTSET:
            set_as_listpack(&few.head)
        while keep:
            set_random(self.entry, &member)
            set_add_value(&few.head, &member)
            set_drop(self.entry, &member)
            keep -= 1
        found = self.members()
        _release(entry_encoding(self.entry), entry_word_ref(self.entry)[0])
        _become(self.entry, entry_encoding(&few.head), few.word)
        return found

    # ---- what DEBUG shows
    def debug_text(self, bint full=False) -> bytes:
        """DEBUG LISTPACK's text; empty for the other encodings."""
        return lp_repr(_block(self.entry)[0]) if entry_encoding(self.entry) == SET_LISTPACK else b""

    def hash_stats(self, bint full=False) -> dict | None:
        """What DEBUG HTSTATS-KEY shows (structures.table_stats); None without a table."""
        return None if entry_encoding(self.entry) != SET_TABLE else table_stats(set_table(self.entry), full)


# ---- what the keyspace needs of the type
cdef void _release(int encoding, uint64_t word) noexcept:
    if encoding == SET_TABLE:
        table_free(<Table*>word, NULL)
    elif encoding == SET_LISTPACK:
        lp_free(<unsigned char*>word)
    else:
        intset_free(<unsigned char*>word)


cdef bint _release_step(int encoding, uint64_t* word, size_t effort) noexcept:
    if encoding == SET_TABLE:
        return table_free_step(<Table*>word[0], NULL, effort)
    _release(encoding, word[0])
    return True


cdef size_t _effort(int encoding, uint64_t word) noexcept:
    return table_size(<Table*>word) if encoding == SET_TABLE else 1


cdef size_t _memory(int encoding, uint64_t word) noexcept:
    if encoding == SET_TABLE:
        return table_memory(<Table*>word)
    return mem_good_size(lp_bytes(<unsigned char*>word) if encoding == SET_LISTPACK
                         else intset_bytes(<unsigned char*>word))


cdef uint64_t _copy(int encoding, uint64_t word) noexcept:
    cdef Table* copy
    cdef TableWalk walk
    cdef Entry* e
    if encoding == SET_INTSET:
        return <uint64_t>intset_dup(<unsigned char*>word)
    if encoding == SET_LISTPACK:
        return <uint64_t>lp_dup(<unsigned char*>word)
    copy = table_new()
    table_resize_hint(copy, table_size(<Table*>word))
    table_walk(&walk, <Table*>word)
    while True:
        e = table_walk_next(&walk)
        if e == NULL:
            return <uint64_t>copy
        table_insert_bare(copy, entry_key(e), entry_key_length(e), table_hash(entry_key(e), entry_key_length(e)))


cdef TypeTraits* _traits = traits_of(TYPE_SET)
_traits.release = _release
_traits.release_step = _release_step
_traits.effort = _effort
_traits.memory = _memory
_traits.copy = _copy
value_class(Set)
