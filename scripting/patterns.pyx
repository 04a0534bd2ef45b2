# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport uint8_t, uint16_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp

from scripting.limits cimport limits_charge
from scripting.lua cimport lua, lua_fail, lua_State

cdef enum:
    OPEN = -1                          # length of a capture that has begun
    POSITION = -2                      # ... of one that is a place, ()
    DEEPEST = 100000                   # choices at a time: more than fit on the stack of a matcher that calls itself
    KEPT = 4096                        # choices that there stays room for
    CHARGE = 65536                     # steps

cdef enum Kind:                        # what a failed way goes back to
    CAPTURE_BEGAN                      # nothing else: the capture is no more
    CAPTURE_ENDED                      # nothing else: it is open again
    SKIP                               # an optional item: without it
    SHORTER                            # a greedy item: one less
    LONGER                             # a frugal item: one more

cdef struct Choice:
    Kind kind
    int capture
    const char* s                      # where the item's first, or next, character is in the subject
    const char* item
    const char* after                  # the pattern behind the item
    ptrdiff_t count                    # characters that a greedy item may still give back

cdef enum:                             # classes of characters
    ALPHA = 1
    CONTROL = 2
    DIGIT = 4
    LOWER = 8
    PUNCTUATION = 16
    SPACE = 32
    UPPER = 64
    HEX = 128

cdef Choice* _choices = NULL
cdef size_t _capacity = 0
cdef uint8_t _classes[256]             # of ASCII, whatever the locale
cdef uint16_t _class_letters[256]      # %a, %d...: the class that a lower-case letter stands for


cdef bint _letter(int c) noexcept nogil:
    return c'a' <= (c | 32) <= c'z'


# ---- one item
cdef const char* _after_item(Matcher* m, const char* p) noexcept nogil:
    """Behind the single character, class or set at p."""
    cdef char first = p[0]
    p += 1
    if first == c'%':
        if p[0] == 0:
            lua_fail(m.L, "malformed pattern (ends with '%')")
        return p + 1
    if first != c'[':
        return p
    if p[0] == c'^':
        p += 1
    while True:                        # a ] that comes first is one of the set
        if p[0] == 0:
            lua_fail(m.L, "malformed pattern (missing ']')")
        first = p[0]
        p += 1
        if first == c'%' and p[0] != 0:
            p += 1
        if p[0] == c']':
            return p + 1


cdef bint _in_class(int c, int letter) noexcept nogil:
    """Whether c is in %letter, which is a character by itself when it is no class."""
    cdef bint found
    if not _letter(letter):
        return c == letter
    if letter | 32 == c'z':
        found = c == 0
    elif _class_letters[letter | 32]:
        found = _classes[c] & _class_letters[letter | 32] != 0
    else:
        return c == letter
    return found if letter & 32 else not found


cdef bint _in_set(int c, const char* p, const char* last) noexcept nogil:
    """Whether c is in the set at p, whose ] is at last."""
    cdef bint found = True
    if p[1] == c'^':
        found = False
        p += 1
    p += 1
    while p < last:
        if p[0] == c'%':
            p += 1
            if _in_class(c, <uint8_t>p[0]):
                return found
        elif p[1] == c'-' and p + 2 < last:
            if <uint8_t>p[0] <= c <= <uint8_t>p[2]:
                return found
            p += 2
        elif <uint8_t>p[0] == c:
            return found
        p += 1
    return not found


cdef bint _fits(Matcher* m, const char* s, const char* p, const char* after) noexcept nogil:
    """Whether the character at s fits the item at p."""
    cdef int c
    if s >= m.end:
        return False
    c = <uint8_t>s[0]
    if p[0] == c'.':
        return True
    if p[0] == c'%':
        return _in_class(c, <uint8_t>p[1])
    if p[0] == c'[':
        _step(m, after - p)
        return _in_set(c, p, after - 1)
    return c == <uint8_t>p[0]


cdef ptrdiff_t _run(Matcher* m, const char* s, const char* p, const char* after) noexcept nogil:
    """How many characters from s on fit the item at p."""
    cdef const char* at = s
    while _fits(m, at, p, after):
        at += 1
        _step(m, 1)
    return at - s


# ---- captures
cdef int _closed(Matcher* m, int digit) noexcept nogil:
    """The index of the capture that %digit means."""
    cdef int index = digit - c'1'
    if index < 0 or index >= m.level or m.captures[index].length == OPEN:
        lua_fail(m.L, "invalid capture index")
    return index


cdef int _innermost(Matcher* m) noexcept nogil:
    """The index of the capture that a ) ends."""
    cdef int index = m.level - 1
    while index >= 0:
        if m.captures[index].length == OPEN:
            return index
        index -= 1
    return lua_fail(m.L, "invalid pattern capture")


cdef const char* _again(Matcher* m, const char* s, int digit) noexcept nogil:
    """Behind the text of capture %digit, when that is what stands at s."""
    cdef Capture* capture = &m.captures[_closed(m, digit)]
    cdef size_t length = <size_t>capture.length       # a place is longer than all subjects
    if <size_t>(m.end - s) < length:
        return NULL
    _step(m, length)
    return s + length if memcmp(capture.start, s, length) == 0 else NULL


cdef const char* _balanced(Matcher* m, const char* s, const char* p) noexcept nogil:
    """Behind what %bxy matches at s; p: x."""
    cdef ptrdiff_t depth = 1
    if p[0] == 0 or p[1] == 0:
        lua_fail(m.L, "unbalanced pattern")
    if s >= m.end or s[0] != p[0]:
        return NULL
    s += 1
    while s < m.end:
        _step(m, 1)
        if s[0] == p[1]:
            depth -= 1
            if depth == 0:
                return s + 1
        elif s[0] == p[0]:
            depth += 1
        s += 1
    return NULL


cdef bint _at_frontier(Matcher* m, const char* s, const char* p, const char* after) noexcept nogil:
    """Whether s is the first character that is in the set at p."""
    _step(m, after - p)
    return (not _in_set(<uint8_t>(s - 1)[0] if s > m.begin else 0, p, after - 1)
            and _in_set(<uint8_t>s[0], p, after - 1))


# ---- the way through
cdef inline void _step(Matcher* m, size_t steps) noexcept nogil:
    m.work += steps
    if m.work > CHARGE:
        limits_charge(m.L, m.work)
        m.work = 0


cdef Choice* _new_choice(Matcher* m, size_t depth, Kind kind, const char* s, const char* after) noexcept nogil:
    """The depth-th one from below."""
    global _choices, _capacity
    cdef Choice* choice
    if depth >= _capacity:
        choice = NULL
        if depth < DEEPEST:
            choice = <Choice*>realloc(_choices, (depth * 2 + 64) * sizeof(Choice))
        if choice == NULL:
            lua_fail(m.L, "pattern too complex")
        _choices = choice
        _capacity = depth * 2 + 64
    choice = &_choices[depth]
    choice.kind = kind
    choice.s = s
    choice.after = after
    return choice


cdef const char* _go_back(Matcher* m, size_t* depth, const char** p) noexcept nogil:
    """A way failed: the place in the subject, and in the pattern, from which the next one goes on; NULL: none."""
    cdef Choice* choice
    while depth[0]:
        _step(m, 1)
        choice = &_choices[depth[0] - 1]
        p[0] = choice.after
        if choice.kind == SHORTER and choice.count > 0:
            choice.count -= 1
            return choice.s + choice.count
        if choice.kind == LONGER and _fits(m, choice.s, choice.item, choice.after - 1):
            choice.s += 1
            return choice.s
        depth[0] -= 1
        if choice.kind == SKIP:
            return choice.s
        if choice.kind == CAPTURE_BEGAN:
            m.level -= 1
        elif choice.kind == CAPTURE_ENDED:
            m.captures[choice.capture].length = OPEN
    return NULL


cdef const char* matcher_match(Matcher* m, const char* s, const char* p) noexcept nogil:
    cdef size_t depth = 0
    cdef const char* after
    while True:
        _step(m, 1)
        if p[0] == 0 or p[0] == c'$' and p[1] == 0:
            if p[0] == 0 or s == m.end:
                return s
            s = NULL
        elif p[0] == c'(':
            if m.level >= CAPTURES:
                lua_fail(m.L, "too many captures")
            _new_choice(m, depth, CAPTURE_BEGAN, s, p)
            depth += 1
            m.captures[m.level].start = s
            m.captures[m.level].length = POSITION if p[1] == c')' else OPEN
            m.level += 1
            p += 2 if p[1] == c')' else 1
        elif p[0] == c')':
            _new_choice(m, depth, CAPTURE_ENDED, s, p).capture = _innermost(m)
            m.captures[_choices[depth].capture].length = s - m.captures[_choices[depth].capture].start
            depth += 1
            p += 1
        elif p[0] == c'%' and p[1] == c'b':
            s = _balanced(m, s, p + 2)
            p += 4
        elif p[0] == c'%' and p[1] == c'f':
            p += 2
            if p[0] != c'[':
                lua_fail(m.L, "missing '[' after '%f' in pattern")
            after = _after_item(m, p)
            if not _at_frontier(m, s, p, after):
                s = NULL
            p = after
        elif p[0] == c'%' and c'0' <= p[1] <= c'9':
            s = _again(m, s, p[1])
            p += 2
        else:
            after = _after_item(m, p)
            s = _item(m, s, p, after, &depth)
            p = after if after[0] != c'?' and after[0] != c'*' and after[0] != c'+' and after[0] != c'-' else after + 1
        if s == NULL:
            s = _go_back(m, &depth, &p)
            if s == NULL:
                return NULL


cdef const char* _item(Matcher* m, const char* s, const char* p, const char* after, size_t* depth) noexcept nogil:
    """Behind what the item at p, with what says how often it may come, takes first; other ways are noted."""
    cdef char times = after[0]
    cdef ptrdiff_t count
    cdef Choice* choice
    if times == c'?':
        if not _fits(m, s, p, after):
            return s
        _new_choice(m, depth[0], SKIP, s, after + 1)
        depth[0] += 1
        return s + 1
    if times == c'*' or times == c'+':
        count = _run(m, s, p, after)
        if times == c'+':
            if count == 0:
                return NULL
            s += 1
            count -= 1
        if count:
            _new_choice(m, depth[0], SHORTER, s, after + 1).count = count
            depth[0] += 1
        return s + count
    if times == c'-':
        choice = _new_choice(m, depth[0], LONGER, s, after + 1)
        choice.item = p
        depth[0] += 1
        return s
    return s + 1 if _fits(m, s, p, after) else NULL


cdef void matcher_begin(Matcher* m, lua_State* L, const char* subject, size_t length) noexcept nogil:
    global _choices, _capacity
    m.L = L
    m.begin = subject
    m.end = subject + length
    m.level = 0
    m.work = 0
    if _capacity > KEPT:
        free(_choices)
        _choices = NULL
        _capacity = 0


# ---- results
cdef void matcher_push(Matcher* m, int index, const char* s, const char* end) noexcept nogil:
    cdef Capture* capture
    if index >= m.level:
        if index != 0:
            lua_fail(m.L, "invalid capture index")
        lua.pushlstring(m.L, s, end - s)
        return
    capture = &m.captures[index]
    if capture.length == OPEN:
        lua_fail(m.L, "unfinished capture")
    if capture.length == POSITION:
        lua.pushinteger(m.L, capture.start - m.begin + 1)
    else:
        lua.pushlstring(m.L, capture.start, capture.length)


cdef int matcher_push_all(Matcher* m, const char* s, const char* end) noexcept nogil:
    cdef int count = 1 if m.level == 0 and s != NULL else m.level
    cdef int i
    lua.L_checkstack(m.L, count, "too many captures")
    for i in range(count):
        matcher_push(m, i, s, end)
    return count


cdef void _fill_classes() noexcept:
    cdef int c
    for c in range(128):
        _classes[c] = ((ALPHA if _letter(c) else 0) | (CONTROL if c < 32 or c == 127 else 0)
                       | (DIGIT if c'0' <= c <= c'9' else 0) | (LOWER if c'a' <= c <= c'z' else 0)
                       | (UPPER if c'A' <= c <= c'Z' else 0) | (SPACE if c == 32 or 9 <= c <= 13 else 0)
                       | (HEX if c'0' <= c <= c'9' or c'a' <= (c | 32) <= c'f' else 0))
        if 32 < c < 127 and not _classes[c] & (ALPHA | DIGIT):
            _classes[c] |= PUNCTUATION
    _class_letters[c'a'] = ALPHA
    _class_letters[c'c'] = CONTROL
    _class_letters[c'd'] = DIGIT
    _class_letters[c'l'] = LOWER
    _class_letters[c'p'] = PUNCTUATION
    _class_letters[c's'] = SPACE
    _class_letters[c'u'] = UPPER
    _class_letters[c'w'] = ALPHA | DIGIT
    _class_letters[c'x'] = HEX


_fill_classes()
