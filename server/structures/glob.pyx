# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Glob matching without recursion.

Every part of a pattern but * consumes exactly one byte. So when a match fails, only the latest * can help by swallowing
one byte more: an earlier one would only leave less text for what follows. That keeps the work within pattern * text.

Corner cases are Redis's: * does not match an empty text when it stands alone before one (only the end of a text skips
stars), a class that is not closed ends with the pattern, ranges compare signed bytes and may stand either way round.
"""
from libc.stddef cimport size_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE


cdef inline int _lower(int c) noexcept nogil:
    return c + 32 if 65 <= c <= 90 else c


cdef inline bint _same(int a, int b, bint ignore_case) noexcept nogil:
    return a == b or (ignore_case and _lower(a) == _lower(b))


cdef bint _class_matches(const signed char* pattern, size_t length, size_t* at, int c, bint ignore_case) noexcept nogil:
    """The class whose [ stands before at[0]; leaves at[0] behind its ]."""
    cdef size_t i = at[0]
    cdef bint negated = i < length and pattern[i] == c'^'
    cdef bint found = False
    cdef int low, high, probe
    if negated:
        i += 1
    while i < length and pattern[i] != c']':
        if pattern[i] == c'\\' and length - i >= 2:
            i += 1
            found = found or pattern[i] == c
        elif length - i >= 3 and pattern[i + 1] == c'-':
            low = pattern[i]
            high = pattern[i + 2]
            probe = c
            if low > high:
                low, high = high, low
            if ignore_case:
                low, high, probe = _lower(low), _lower(high), _lower(probe)
            found = found or low <= probe <= high
            i += 2
        else:
            found = found or _same(pattern[i], c, ignore_case)
        i += 1
    at[0] = i + 1 if i < length else length
    return found != negated


cdef bint _one_matches(const signed char* pattern, size_t length, size_t* at, int c, bint ignore_case) noexcept nogil:
    """Whether the part at at[0] (not a star) matches the byte c; leaves at[0] behind the part."""
    cdef int p = pattern[at[0]]
    at[0] += 1
    if p == c'?':
        return True
    if p == c'[':
        return _class_matches(pattern, length, at, c, ignore_case)
    if p == c'\\' and at[0] < length:
        p = pattern[at[0]]
        at[0] += 1
    return _same(p, c, ignore_case)


cdef bint glob_match(const char* pattern, size_t pattern_length, const char* text, size_t length, bint ignore_case) noexcept nogil:
    cdef const signed char* bytes_ = <const signed char*>pattern
    cdef size_t p = 0, t = 0, after_star = 0, star_took = 0
    cdef size_t stars = 0
    if length == 0:
        return pattern_length == 0
    while True:
        if p < pattern_length and bytes_[p] == c'*':
            while p < pattern_length and bytes_[p] == c'*':
                p += 1
            if p == pattern_length:
                return True
            stars += 1
            if stars > GLOB_MAX_STARS:
                return False
            after_star = p
            star_took = t
            continue
        if p < pattern_length and _one_matches(bytes_, pattern_length, &p, <signed char>text[t], ignore_case):
            t += 1
            if t == length:
                while p < pattern_length and bytes_[p] == c'*':
                    p += 1
                if p == pattern_length:
                    return True
                return False
            continue
        if stars == 0:
            return False
        star_took += 1
        if star_took == length:
            return False
        t = star_took
        p = after_star


def match(bytes pattern, bytes text, bint ignore_case=False) -> bool:
    """Whether the whole text matches the pattern. Complexity: O(len(pattern) * len(text))."""
    return glob_match(PyBytes_AS_STRING(pattern), PyBytes_GET_SIZE(pattern),
                      PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), ignore_case)


def matching(bytes pattern, list texts) -> list[bytes]:
    """Those of the texts that match, in their order; the same list for the pattern "*"."""
    cdef const char* p = PyBytes_AS_STRING(pattern)
    cdef size_t n = PyBytes_GET_SIZE(pattern)
    cdef size_t prefix = glob_prefix(p, n)
    cdef bytes text
    cdef list found = []
    if n == 1 and p[0] == c'*':
        return texts
    for text in texts:
        if (glob_begins(p, prefix, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
                and glob_match(p, n, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), False)):
            found.append(text)
    return found
