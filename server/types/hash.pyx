# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from iothreads.message cimport REFERENCE_MIN, Output, output_reference
from iothreads.resp_writer cimport write_header, write_raw
from server.structures.blob cimport Blob, blob_new, blob_release
from server.structures.glob cimport glob_match
from server.structures.listpack cimport (
    LP_INTEGER_TEXT, LP_MAX_BYTES, LpValue, lp_append, lp_bytes, lp_delete_range_at, lp_dup, lp_find, lp_first, lp_free,
    lp_get, lp_integer_text, lp_length, lp_new, lp_next, lp_random_below, lp_random_pairs, lp_seek,
    lp_random_pairs_unique, lp_replace, lp_repr, lp_skip)
from server.structures.memory cimport mem_alloc, mem_free, mem_good_size
from server.structures.table cimport (ENTRY_WORD, INLINE_MAX, STR_BLOB, TYPE_HASH, TYPE_STRING, Entry, Table,
                                      entry_encoding, entry_inline, entry_key, entry_key_length, entry_set_type,
                                      entry_word_ref, table_delete, table_fair_random, table_find, table_free,
                                      table_free_step, table_hash, table_insert_inline, table_insert_word,
                                      table_memory, table_new, table_resize_hint, table_scan, table_seed,
                                      table_set_inline, table_set_word, table_shrink_if_sparse, table_size)
from server.structures.table_stats cimport table_stats
from server.structures.table_walk cimport TableWalk, table_walk, table_walk_next
from server.types.bulk cimport element_bytes, write_element, write_short
from server.types.value cimport TypeTraits, Value, traits_of, value_class

cdef enum:
    SAMPLE = 1000                      # pairs drawn from a listpack in one pass, so that a large count needs no large memory
    SPARSE = 3                         # picking one by one pays while fewer than 1 in so many fields are wanted

cdef uint64_t _random_state = table_seed.a

limits.entries = 128
limits.value = 64


def set_limits(config) -> None:
    """Follow hash-max-listpack-entries and hash-max-listpack-value."""
    limits.entries = config.hash_max_listpack_entries
    limits.value = config.hash_max_listpack_value


# ---- the entry's word
cdef inline unsigned char** _listpack(Entry* e) noexcept nogil:
    return <unsigned char**>entry_word_ref(e)


cdef inline bint _packed(Entry* e) noexcept nogil:
    return entry_encoding(e) == HASH_LISTPACK


cdef uint64_t hash_new_word() noexcept nogil:
    return <uint64_t>lp_new()


cdef uint64_t hash_length(Entry* e) noexcept nogil:
    return lp_length(_listpack(e)[0]) >> 1 if _packed(e) else table_size(hash_table(e))


# ---- fields of a table
cdef void _free_value(Entry* field) noexcept:
    """A value_free_t: only a blob owns memory."""
    blob_release(<Blob*>entry_word_ref(field)[0])


cdef inline void _value_of(Entry* field, HashValue* value) noexcept nogil:
    cdef uint8_t* place
    if field.klen & ENTRY_WORD:
        value.blob = <Blob*>entry_word_ref(field)[0]
        value.text.s = value.blob.data
        value.text.length = value.blob.length
    else:
        place = entry_inline(field)
        value.blob = NULL
        value.text.s = <const char*>place + 1
        value.text.length = place[0]


cdef inline void _field_of(Entry* field, LpValue* name) noexcept nogil:
    name.s = entry_key(field)
    name.length = entry_key_length(field)


cdef inline void _insert(Table* t, const char* field, size_t n, uint64_t hash, const char* value, size_t m) noexcept nogil:
    if m <= INLINE_MAX:
        table_insert_inline(t, field, n, hash, value, m)
    else:
        table_insert_word(t, field, n, hash, <uint64_t>blob_new(value, m, m))


cdef bint _put(Table* t, const char* field, size_t n, const char* value, size_t m) noexcept:
    cdef uint64_t hash = table_hash(field, n)
    cdef Entry* e = table_find(t, field, n, hash)
    if e == NULL:
        _insert(t, field, n, hash, value, m)
        return True
    if e.klen & ENTRY_WORD:
        _free_value(e)
    if m <= INLINE_MAX:
        table_set_inline(t, e, hash, value, m)
    else:
        table_set_word(t, e, hash, <uint64_t>blob_new(value, m, m))
    return False


cdef void _to_table(Entry* e, size_t fields) noexcept nogil:
    """Turn a listpack into a table with room for so many fields."""
    cdef unsigned char* lp = _listpack(e)[0]
    cdef unsigned char* p = lp_first(lp)
    cdef Table* t = table_new()
    cdef LpValue name, value
    cdef char name_digits[LP_INTEGER_TEXT]
    cdef char value_digits[LP_INTEGER_TEXT]
    table_resize_hint(t, fields)
    while p != NULL:
        lp_get(p, &name)
        p = lp_skip(p)
        lp_get(p, &value)
        p = lp_next(lp, p)
        _as_text(&name, name_digits)
        _as_text(&value, value_digits)
        _insert(t, name.s, name.length, table_hash(name.s, name.length), value.s, value.length)
    lp_free(lp)
    entry_word_ref(e)[0] = <uint64_t>t
    entry_set_type(e, TYPE_HASH, HASH_TABLE)


cdef inline void _as_text(LpValue* value, char* digits) noexcept nogil:
    """Give an integer its decimal text, in LP_INTEGER_TEXT bytes at `digits`."""
    if value.s == NULL:
        value.length = lp_integer_text(value.number, digits)
        value.s = digits


# ---- one field
cdef bint hash_get(Entry* e, const char* field, size_t n, HashValue* value) noexcept nogil:
    cdef unsigned char* p
    cdef Entry* found
    if _packed(e):
        p = lp_first(_listpack(e)[0])
        if p != NULL:
            p = lp_find(_listpack(e)[0], p, field, n, 1)
        if p == NULL:
            return False
        lp_get(lp_skip(p), &value.text)
        value.blob = NULL
        return True
    found = table_find(hash_table(e), field, n, table_hash(field, n))
    if found == NULL:
        return False
    _value_of(found, value)
    return True


cdef size_t hash_value_length(const HashValue* value) noexcept nogil:
    cdef char digits[LP_INTEGER_TEXT]
    return value.text.length if value.text.s != NULL else lp_integer_text(value.text.number, digits)


cdef void hash_grow(Entry* e, size_t fields, size_t bytes) noexcept nogil:
    if _packed(e):
        if fields > limits.entries:
            _to_table(e, fields)
        elif lp_bytes(_listpack(e)[0]) + bytes > LP_MAX_BYTES:
            _to_table(e, hash_length(e) + fields)


cdef bint hash_set(Entry* e, const char* field, size_t n, const char* value, size_t m) noexcept:
    cdef unsigned char** lp
    cdef unsigned char* p
    if not _packed(e):
        return _put(hash_table(e), field, n, value, m)
    if n > limits.value or m > limits.value:
        _to_table(e, hash_length(e) + 1)
        return _put(hash_table(e), field, n, value, m)
    lp = _listpack(e)
    p = lp_first(lp[0])
    if p != NULL:
        p = lp_find(lp[0], p, field, n, 1)
    if p != NULL:
        p = lp_skip(p)
        lp_replace(lp, &p, value, m)
        if lp_length(lp[0]) >> 1 > limits.entries:     # the limit is lower than it was
            _to_table(e, hash_length(e))
        return False
    lp_append(lp, field, n)
    lp_append(lp, value, m)
    if lp_length(lp[0]) >> 1 > limits.entries:
        _to_table(e, hash_length(e))
    return True


cdef bint hash_delete(Entry* e, const char* field, size_t n) noexcept:
    cdef unsigned char** lp
    cdef unsigned char* p
    if not _packed(e):
        if not table_delete(hash_table(e), field, n, table_hash(field, n), _free_value):
            return False
        table_shrink_if_sparse(hash_table(e))
        return True
    lp = _listpack(e)
    p = lp_first(lp[0])
    if p != NULL:
        p = lp_find(lp[0], p, field, n, 1)
    if p == NULL:
        return False
    lp_delete_range_at(lp, &p, 2)
    return True


# ---- chance
cdef void hash_random(Entry* e, LpValue* field, HashValue* value) noexcept nogil:
    cdef unsigned char* p
    cdef Entry* found
    if _packed(e):
        p = lp_seek(_listpack(e)[0], 2 * lp_random_below(&_random_state, lp_length(_listpack(e)[0]) >> 1))
        lp_get(p, field)
        value.blob = NULL
        lp_get(lp_skip(p), &value.text)
        return
    found = table_fair_random(hash_table(e))
    _field_of(found, field)
    _value_of(found, value)


# ---- replies
cdef void _release_blob(void* blob) noexcept:
    blob_release(<Blob*>blob)


cdef void hash_write_value(Output* out, const HashValue* value) noexcept:
    if value.blob == NULL or value.text.length < REFERENCE_MIN:
        write_element(out, &value.text)
        return
    value.blob.references += 1
    write_header(out, c'$', value.text.length)
    output_reference(out, value.blob.data, value.text.length, value.blob, _release_blob)
    write_raw(out, "\r\n", 2)


cdef void hash_write(Entry* e, Output* out, int resp, int what) noexcept:
    cdef uint64_t length = hash_length(e)
    cdef unsigned char* lp
    cdef unsigned char* p
    cdef LpValue element
    cdef HashValue value
    cdef TableWalk walk
    cdef Entry* field
    if what != HASH_FIELDS | HASH_VALUES:
        write_header(out, c'*', length)
    elif resp == 3:
        write_header(out, c'%', length)
    else:
        write_header(out, c'*', 2 * length)
    if _packed(e):
        lp = _listpack(e)[0]
        p = lp_first(lp)
        while p != NULL:
            if what & HASH_FIELDS:
                lp_get(p, &element)
                write_element(out, &element)
            p = lp_skip(p)
            if what & HASH_VALUES:
                lp_get(p, &element)
                write_element(out, &element)
            p = lp_next(lp, p)
        return
    table_walk(&walk, hash_table(e))
    while True:
        field = table_walk_next(&walk)
        if field == NULL:
            return
        if what & HASH_FIELDS:
            write_short(out, entry_key(field), entry_key_length(field))
        if what & HASH_VALUES:
            _value_of(field, &value)
            hash_write_value(out, &value)


# ---- the view
cdef class _Scanned:
    """What HSCAN collects: fields and values in turn."""
    cdef list found
    cdef bytes pattern                 # None: all
    cdef Py_ssize_t seen


cdef int _visit(void* context, Entry* field) noexcept:
    cdef _Scanned scanned = <_Scanned>context
    cdef bytes pattern = scanned.pattern
    cdef HashValue value
    scanned.seen += 1
    if pattern is not None and not glob_match(PyBytes_AS_STRING(pattern), PyBytes_GET_SIZE(pattern), entry_key(field),
                                              entry_key_length(field), False):
        return 0
    _value_of(field, &value)
    scanned.found.append(PyBytes_FromStringAndSize(entry_key(field), entry_key_length(field)))
    scanned.found.append(element_bytes(&value.text))
    return 0


cdef class Hash(Value):
    """A hash. Fields and values are bytes."""
    TYPE = TYPE_HASH

    cdef int create(self) except -1:
        entry_word_ref(self.entry)[0] = hash_new_word()
        entry_set_type(self.entry, TYPE_HASH, HASH_LISTPACK)
        return 0

    def __len__(self) -> int:
        return hash_length(self.entry)

    def __contains__(self, bytes field) -> bool:
        cdef HashValue value
        return hash_get(self.entry, PyBytes_AS_STRING(field), PyBytes_GET_SIZE(field), &value)

    def encoding_name(self) -> str:
        """What OBJECT ENCODING says."""
        return "listpack" if _packed(self.entry) else "hashtable"

    # ---- one field
    def get(self, bytes field) -> bytes | None:
        """A field's value. Complexity: O(1), in a listpack O(N)."""
        cdef HashValue value
        if not hash_get(self.entry, PyBytes_AS_STRING(field), PyBytes_GET_SIZE(field), &value):
            return None
        return element_bytes(&value.text)

    def value_length(self, bytes field) -> int:
        """Bytes of a field's value, 0 without the field."""
        cdef HashValue value
        if not hash_get(self.entry, PyBytes_AS_STRING(field), PyBytes_GET_SIZE(field), &value):
            return 0
        return hash_value_length(&value)

    def grow(self, fields_and_values) -> None:
        """Choose the encoding for what is about to be set: fields and values in turn. Redis decides by what comes, so
        that many pairs make a table even if they turn out to name the same field."""
        cdef bytes text
        cdef size_t total = 0
        for text in fields_and_values:
            total += PyBytes_GET_SIZE(text)
        hash_grow(self.entry, len(fields_and_values) // 2, total)

    def set(self, bytes field, bytes value) -> bool:
        """Set a field; True when it is new. Complexity: as `get`."""
        return hash_set(self.entry, PyBytes_AS_STRING(field), PyBytes_GET_SIZE(field), PyBytes_AS_STRING(value),
                        PyBytes_GET_SIZE(value))

    def delete(self, bytes field) -> bool:
        """Remove a field; True when it was there. Complexity: as `get`."""
        return hash_delete(self.entry, PyBytes_AS_STRING(field), PyBytes_GET_SIZE(field))

    # ---- all fields
    def items(self) -> list[tuple[bytes, bytes]]:
        """Fields with their values. Complexity: O(N)."""
        cdef list found = []
        cdef unsigned char* lp
        cdef unsigned char* p
        cdef LpValue name
        cdef HashValue value
        cdef TableWalk walk
        cdef Entry* field
        if _packed(self.entry):
            lp = _listpack(self.entry)[0]
            p = lp_first(lp)
            while p != NULL:
                lp_get(p, &name)
                p = lp_skip(p)
                lp_get(p, &value.text)
                p = lp_next(lp, p)
                found.append((element_bytes(&name), element_bytes(&value.text)))
            return found
        table_walk(&walk, hash_table(self.entry))
        while True:
            field = table_walk_next(&walk)
            if field == NULL:
                return found
            _field_of(field, &name)
            _value_of(field, &value)
            found.append((element_bytes(&name), element_bytes(&value.text)))

    def scan(self, uint64_t cursor, Py_ssize_t count, bytes pattern) -> tuple[int, list[bytes]]:
        """Some fields and values from `cursor` on: (next cursor, flat list). A listpack is answered all at once; a
        table by buckets, until `count` fields were looked at. pattern: a glob the fields must match, or None."""
        cdef _Scanned scanned = _Scanned.__new__(_Scanned)
        cdef Py_ssize_t steps = count * 10
        scanned.found = []
        scanned.pattern = pattern
        if _packed(self.entry):
            for field, value in self.items():
                if pattern is None or glob_match(PyBytes_AS_STRING(pattern), PyBytes_GET_SIZE(pattern),
                                                 PyBytes_AS_STRING(field), PyBytes_GET_SIZE(field), False):
                    scanned.found += (field, value)
            return 0, scanned.found
        while True:
            cursor = table_scan(hash_table(self.entry), cursor, _visit, <void*>scanned)
            steps -= 1
            if cursor == 0 or steps < 0 or scanned.seen >= count:
                return cursor, scanned.found

    # ---- chance
    def random(self) -> bytes:
        """One field, each as likely as another (in a table: nearly)."""
        cdef LpValue field
        cdef HashValue value
        hash_random(self.entry, &field, &value)
        return element_bytes(&field)

    def draw(self, count) -> list[tuple[bytes, bytes]]:
        """`count` fields with their values, each drawn from all of them. Complexity: O(N + count)."""
        cdef list found = []
        cdef LpValue* names
        cdef LpValue* values
        cdef uint32_t batch, i
        left = count
        if not _packed(self.entry):
            while left > 0:
                found.append(_random_pair(hash_table(self.entry)))
                left -= 1
            return found
        names = <LpValue*>mem_alloc(2 * SAMPLE * sizeof(LpValue))
        values = names + SAMPLE
        while left > 0:
            batch = min(left, SAMPLE)
            left -= batch
            lp_random_pairs(_listpack(self.entry)[0], batch, &_random_state, names, values)
            for i in range(batch):
                found.append((element_bytes(&names[i]), element_bytes(&values[i])))
        mem_free(names, 2 * SAMPLE * sizeof(LpValue))
        return found

    def draw_distinct(self, uint64_t count) -> list[tuple[bytes, bytes]]:
        """`count` different fields with their values, all if there are fewer; every choice is equally likely.
        Complexity: O(N), or O(count) where that is much less."""
        cdef uint64_t size = hash_length(self.entry)
        if count >= size:
            return self.items()
        if _packed(self.entry):
            return self._draw_packed(<uint32_t>count)
        if count * SPARSE > size:
            return self._draw_walking(count, size)
        chosen = {}
        while <uint64_t>len(chosen) < count:
            field, value = _random_pair(hash_table(self.entry))
            chosen[field] = value
        return list(chosen.items())

    cdef list _draw_packed(self, uint32_t count):
        cdef LpValue* names = <LpValue*>mem_alloc(2 * count * sizeof(LpValue))
        cdef uint32_t i
        lp_random_pairs_unique(_listpack(self.entry)[0], count, &_random_state, names, names + count)
        found = [(element_bytes(&names[i]), element_bytes(&names[count + i])) for i in range(count)]
        mem_free(names, 2 * count * sizeof(LpValue))
        return found

    cdef list _draw_walking(self, uint64_t count, uint64_t size):
        """Selection sampling: each field is taken with the chance (still wanted) / (still to come)."""
        cdef list found = []
        cdef TableWalk walk
        cdef Entry* field
        table_walk(&walk, hash_table(self.entry))
        while count:
            field = table_walk_next(&walk)
            if size <= count or lp_random_below(&_random_state, size) < count:
                found.append(_pair_of(field))
                count -= 1
            size -= 1
        return found

    # ---- what DEBUG shows
    def debug_text(self, bint full=False) -> bytes:
        """DEBUG LISTPACK's text; empty for the other encodings."""
        return lp_repr(_listpack(self.entry)[0]) if _packed(self.entry) else b""

    def hash_stats(self, bint full=False) -> dict | None:
        """What DEBUG HTSTATS-KEY shows (structures.table_stats); None without a table."""
        return None if _packed(self.entry) else table_stats(hash_table(self.entry), full)


cdef tuple _pair_of(Entry* field):
    cdef LpValue name
    cdef HashValue value
    _field_of(field, &name)
    _value_of(field, &value)
    return element_bytes(&name), element_bytes(&value.text)


cdef tuple _random_pair(Table* t):
    return _pair_of(table_fair_random(t))


# ---- what the keyspace needs of the type
cdef void _release(int encoding, uint64_t word) noexcept:
    if encoding == HASH_LISTPACK:
        lp_free(<unsigned char*>word)
    else:
        table_free(<Table*>word, _free_value)


cdef bint _release_step(int encoding, uint64_t* word, size_t effort) noexcept:
    if encoding == HASH_LISTPACK:
        lp_free(<unsigned char*>word[0])
        return True
    return table_free_step(<Table*>word[0], _free_value, effort)


cdef size_t _effort(int encoding, uint64_t word) noexcept:
    return 1 if encoding == HASH_LISTPACK else table_size(<Table*>word)


cdef size_t _memory(int encoding, uint64_t word) noexcept:
    cdef TableWalk walk
    cdef Entry* field
    cdef size_t bytes
    if encoding == HASH_LISTPACK:
        return mem_good_size(lp_bytes(<unsigned char*>word))
    bytes = table_memory(<Table*>word)
    table_walk(&walk, <Table*>word)
    while True:
        field = table_walk_next(&walk)
        if field == NULL:
            return bytes
        if field.klen & ENTRY_WORD:
            bytes += traits_of(TYPE_STRING).memory(STR_BLOB, entry_word_ref(field)[0])


cdef uint64_t _copy(int encoding, uint64_t word) noexcept:
    cdef Table* copy
    cdef TableWalk walk
    cdef Entry* field
    cdef HashValue value
    if encoding == HASH_LISTPACK:
        return <uint64_t>lp_dup(<unsigned char*>word)
    copy = table_new()
    table_resize_hint(copy, table_size(<Table*>word))
    table_walk(&walk, <Table*>word)
    while True:
        field = table_walk_next(&walk)
        if field == NULL:
            return <uint64_t>copy
        _value_of(field, &value)
        _insert(copy, entry_key(field), entry_key_length(field), table_hash(entry_key(field), entry_key_length(field)),
                value.text.s, value.text.length)


cdef TypeTraits* _traits = traits_of(TYPE_HASH)
_traits.release = _release
_traits.release_step = _release_step
_traits.effort = _effort
_traits.memory = _memory
_traits.copy = _copy
value_class(Hash)
