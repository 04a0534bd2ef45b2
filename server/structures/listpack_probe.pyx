# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A listpack as Python sees it: for tests, never on a request's way."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.decimal cimport parse_int64
from server.structures.listpack cimport *
from server.structures.memory cimport mem_alloc, mem_free


cdef object _value(const LpValue* value):
    return value.s[:value.length] if value.s != NULL else value.number


cdef bint _collect(const unsigned char* p, uint32_t count, void* context) noexcept nogil:
    (<uint64_t*>context)[0] += 1
    return True


cdef class ListpackProbe:
    """Owns one listpack: an exact block, or with `roomy` one with spare room."""
    cdef unsigned char* lp
    cdef size_t capacity               # 0: exact
    cdef uint64_t random_state

    def __cinit__(self, data=None, bint roomy=False, uint64_t seed=1):
        cdef const unsigned char* p
        self.random_state = seed
        self.capacity = 64 if roomy else 0
        self.lp = NULL
        if data is None:
            self.lp = lp_new_in(64) if roomy else lp_new()
            return
        p = <const unsigned char*><char*>data
        if not lp_validate_integrity(p, len(data), True, NULL, NULL):
            raise ValueError("not a listpack")
        self.lp = lp_dup(p)
        self.capacity = lp_bytes(p) if roomy else 0

    def __dealloc__(self):
        if self.lp != NULL:
            mem_free(self.lp, self.capacity if self.capacity else lp_bytes(self.lp))

    cdef unsigned char* at(self, int64_t index) except NULL:
        cdef unsigned char* p = lp_seek(self.lp, index)
        if p == NULL:
            raise IndexError(index)
        return p

    def append(self, value):
        if isinstance(value, int):
            return (lp_append_integer_in(&self.lp, &self.capacity, value) if self.capacity
                    else lp_append_integer(&self.lp, value))
        if self.capacity:
            return lp_append_in(&self.lp, &self.capacity, value, len(value))
        return lp_append(&self.lp, value, len(value))

    def prepend(self, value):
        if self.capacity:
            if lp_first(self.lp) == NULL:
                return self.append(value)
            return self.insert(0, value, LP_BEFORE)
        if isinstance(value, int):
            return lp_prepend_integer(&self.lp, value)
        return lp_prepend(&self.lp, value, len(value))

    def insert(self, int64_t index, value, int where):
        """0 before, 1 after, 2 instead of the element at index. Replies with the new element's index."""
        cdef unsigned char* p = self.at(index)
        cdef bint done
        if isinstance(value, int):
            done = (lp_insert_integer_in(&self.lp, &self.capacity, value, &p, where) if self.capacity
                    else lp_insert_integer(&self.lp, value, &p, where))
        elif self.capacity:
            done = lp_insert_in(&self.lp, &self.capacity, value, len(value), &p, where)
        else:
            done = lp_insert(&self.lp, value, len(value), &p, where)
        assert done
        return self.index_of(p)

    cdef index_of(self, unsigned char* p):
        cdef unsigned char* element = lp_first(self.lp)
        index = 0
        while element != NULL:
            if element == p:
                return index
            element = lp_next(self.lp, element)
            index += 1
        return None

    def replace(self, index, value):
        return self.insert(index, value, LP_REPLACE)

    def delete(self, int64_t index):
        """Replies with the index of the element that follows, or None."""
        cdef unsigned char* p = self.at(index)
        if self.capacity:
            lp_delete_in(&self.lp, &self.capacity, &p)
        else:
            lp_delete(&self.lp, &p)
        return self.index_of(p)

    def shrink(self):
        if self.capacity:
            lp_shrink(&self.lp, self.capacity)
            self.capacity = 0

    def delete_range(self, int64_t index, uint64_t count):
        self.shrink()
        return lp_delete_range(&self.lp, index, count)

    def delete_range_at(self, int64_t index, uint64_t count):
        self.shrink()
        cdef unsigned char* p = self.at(index)
        deleted = lp_delete_range_at(&self.lp, &p, count)
        return deleted, self.index_of(p)

    def batch_delete(self, indexes):
        self.shrink()
        cdef size_t count = len(indexes)
        cdef unsigned char** elements = <unsigned char**>mem_alloc(count * sizeof(unsigned char*))
        for i, index in enumerate(indexes):
            elements[i] = lp_seek(self.lp, index)
        lp_batch_delete(&self.lp, elements, count)
        mem_free(<void*>elements, count * sizeof(unsigned char*))

    def merge(self, ListpackProbe other):
        """Takes the other's elements; the other is empty afterwards."""
        self.shrink()
        other.shrink()
        done = lp_merge(&self.lp, &other.lp)
        if done:
            other.lp = lp_new()
        return done

    def get(self, int64_t index):
        cdef LpValue value
        lp_get(self.at(index), &value)
        return _value(&value)

    def get_integer_if(self, int64_t index):
        cdef int64_t number
        return number if lp_get_integer_if(self.at(index), &number) else None

    def compare(self, int64_t index, bytes value):
        return lp_compare(self.at(index), value, len(value))

    def find(self, bytes value, int64_t start=0, uint32_t skip=0):
        cdef unsigned char* p = lp_seek(self.lp, start)
        return self.index_of(lp_find(self.lp, p, value, len(value), skip)) if p != NULL else None

    def __len__(self):
        return lp_length(self.lp)

    def items(self):
        cdef unsigned char* p = lp_first(self.lp)
        cdef LpValue value
        out = []
        while p != NULL:
            lp_get(p, &value)
            out.append(_value(&value))
            p = lp_next(self.lp, p)
        return out

    def items_reversed(self):
        cdef unsigned char* p = lp_last(self.lp)
        cdef LpValue value
        out = []
        while p != NULL:
            lp_get(p, &value)
            out.append(_value(&value))
            p = lp_prev(self.lp, p)
        return out

    def to_bytes(self):
        return (<char*>self.lp)[:lp_bytes(self.lp)]

    def safe_to_add(self, size_t n):
        return lp_safe_to_add(self.lp, n)

    def random_pair(self):
        cdef LpValue key, value
        lp_random_pair(self.lp, lp_length(self.lp) // 2, &self.random_state, &key, &value)
        return _value(&key), _value(&value)

    def random_pairs(self, uint32_t count, bint unique=False):
        cdef LpValue* keys = <LpValue*>mem_alloc(count * sizeof(LpValue) + 1)
        cdef LpValue* values = <LpValue*>mem_alloc(count * sizeof(LpValue) + 1)
        cdef uint32_t n = count, i
        if unique:
            n = lp_random_pairs_unique(self.lp, count, &self.random_state, keys, values)
        else:
            lp_random_pairs(self.lp, count, &self.random_state, keys, values)
        out = [(_value(&keys[i]), _value(&values[i])) for i in range(n)]
        mem_free(keys, count * sizeof(LpValue) + 1)
        mem_free(values, count * sizeof(LpValue) + 1)
        return out

    def random_entries(self, uint32_t count):
        cdef LpValue* values = <LpValue*>mem_alloc(count * sizeof(LpValue) + 1)
        cdef uint32_t i
        lp_random_entries(self.lp, count, &self.random_state, values)
        out = [_value(&values[i]) for i in range(count)]
        mem_free(values, count * sizeof(LpValue) + 1)
        return out

    def repr(self):
        return lp_repr(self.lp)

    @staticmethod
    def estimate(int64_t number, uint64_t count):
        return lp_estimate(number, count)

    @staticmethod
    def validate(bytes data, bint deep=True):
        """Looks at a copy in a block of just that size, so that a sanitizer sees the first byte too far."""
        cdef size_t n = len(data)
        cdef unsigned char* copy = <unsigned char*>mem_alloc(n if n else 1)
        cdef uint64_t seen = 0
        cdef const char* source = data
        cdef size_t i
        for i in range(n):
            copy[i] = <unsigned char>source[i]
        valid = lp_validate_integrity(copy, n, deep, _collect, &seen)
        mem_free(copy, n if n else 1)
        return valid

    @staticmethod
    def integer_of(bytes text):
        """The int64 that this text is the exact decimal form of, or None."""
        cdef int64_t number
        return number if parse_int64(text, len(text), &number) else None

    @staticmethod
    def text_of(int64_t number):
        cdef char text[LP_INTEGER_TEXT]
        return text[:lp_integer_text(number, text)]

    def check(self):
        """Every invariant: the bytes are valid, the count is right, both directions see the same elements."""
        assert lp_validate_integrity(self.lp, lp_bytes(self.lp), True, NULL, NULL)
        items = self.items()
        assert lp_header_count(self.lp) in (len(items), LP_COUNT_UNKNOWN)
        assert items == self.items_reversed()[::-1]
        assert self.capacity == 0 or self.capacity >= lp_bytes(self.lp)
