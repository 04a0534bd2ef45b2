# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memset

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.decimal cimport parse_int64
from iothreads.message cimport Arg, Batch, Request, arg_at, arg_length
from server.structures.glob cimport glob_match

from server.registry.command import NO_AUTH
from server.registry.keys import ACCESS, DELETE, INSERT, NOT_KEY, OPTIONS, UPDATE

cdef enum:
    READ = 1                           # as in acl.selector
    WRITE = 2
    NOT_KNOWN = -1

cdef size_t NO_PREFIX = <size_t>-1
cdef dict _ACCESS = {ACCESS: READ, INSERT: WRITE, DELETE: WRITE, UPDATE: WRITE}
cdef set _kept = set()                 # words that searches look for: as long-lived as commands are
cdef uint32_t _OPTIONS = OPTIONS


# ---- making
cdef class Permissions:
    """Made of selectors, and never changed: rules that change make others."""

    def __cinit__(self, selectors):
        cdef int i
        self.kept = []
        self.selectors = <Selected*>calloc(len(selectors), sizeof(Selected))
        if self.selectors == NULL:
            raise MemoryError
        self.count = <int>len(selectors)
        self.by_first_words = any([selector.first_words for selector in selectors])
        for i in range(self.count):
            _compile(self, &self.selectors[i], selectors[i])

    def __dealloc__(self):
        cdef int i
        for i in range(self.count):
            free(self.selectors[i].keys)
            free(self.selectors[i].channels)
        free(self.selectors)


cdef int _compile(Permissions permissions, Selected* to, selector) except -1:
    cdef int word
    for word in range(COMMAND_WORDS):
        to.commands[word] = (selector.allowed >> (64 * word)) & 0xFFFFFFFFFFFFFFFF
    to.all_keys = selector.all_keys
    to.all_channels = selector.all_channels
    to.keys = _patterns(permissions, selector.patterns)
    to.key_count = <int>len(selector.patterns)
    to.channels = _patterns(permissions, selector.channels)
    to.channel_count = <int>len(selector.channels)
    return 0


cdef Pattern* _patterns(Permissions permissions, dict patterns) except? NULL:
    """patterns: text -> what it allows, or None."""
    cdef Pattern* made
    cdef int i = 0
    cdef bytes text
    if not patterns:
        return NULL
    made = <Pattern*>calloc(len(patterns), sizeof(Pattern))
    if made == NULL:
        raise MemoryError
    for text, access in patterns.items():
        permissions.kept.append(text)
        made[i].text = PyBytes_AS_STRING(text)
        made[i].length = PyBytes_GET_SIZE(text)
        made[i].prefix = len(text) - 1 if text.endswith(b"*") and not set(b"*?[\\") & set(text[:len(text) - 1]) else NO_PREFIX
        made[i].access = access or 0
        i += 1
    return made


cdef const char* _word(str text, size_t* length) except NULL:
    word = text.encode().upper()
    for kept in _kept:
        if kept == word:
            word = kept
    _kept.add(word)
    length[0] = PyBytes_GET_SIZE(word)
    return PyBytes_AS_STRING(word)


cdef int read_needs(command, Needs* needs) except -1:
    memset(needs, 0, sizeof(Needs))
    if command.number >= 64 * COMMAND_WORDS - 1:
        raise ValueError(f"no bit of a permission for command {command.name}")
    needs.command = command.number if command.number >= 0 else 64 * COMMAND_WORDS - 1      # not declared: of +@all alone
    needs.free = command.has(NO_AUTH)
    needs.known = command.keys.reader is None
    if command.keys.reads_with:
        needs.reads_with = _word(command.keys.reads_with.decode(), &needs.reads_with_length)
    for spec in command.keys.specs:
        if NOT_KEY in spec.flags:
            continue
        if needs.searches == SEARCHES_MAX or spec.begin[0] == "unknown" or spec.find[0] == "unknown" or (
                spec.begin[0] == "keyword" and spec.begin[2] <= 0):
            needs.known = False
            continue
        _read_search(spec, &needs.search[needs.searches])
        needs.searches += 1
    if command.channels is not None:
        needs.channels = True
        needs.channel_patterns = command.channels.patterns
        needs.first_channel, needs.last_channel = command.channels.first, command.channels.last
    if (needs.known and needs.searches == 1 and needs.search[0].keyword == NULL and needs.search[0].begin == 1
            and needs.search[0].count_at < 0 and needs.search[0].last == 0 and not needs.channels):
        needs.plain_words = <uint32_t>-1 if needs.reads_with == NULL else _OPTIONS
        needs.plain_access = needs.search[0].access if needs.reads_with == NULL else WRITE
    return 0


cdef int _read_search(spec, KeySearch* search) except -1:
    if spec.begin[0] == "keyword":
        search.keyword = _word(spec.begin[1], &search.keyword_length)
        search.begin = spec.begin[2]
    else:
        search.begin = spec.begin[1]
    search.count_at = -1
    if spec.find[0] == "keynum":
        search.count_at, search.first, search.step = spec.find[1:]
    else:
        search.last, search.step, search.limit = spec.find[1:]
    for flag in spec.flags:
        search.access |= <uint8_t><int>_ACCESS.get(flag, 0)
    return 0


# ---- asking
cdef bint _is_word(const Batch* b, const Request* r, uint32_t at, const char* upper, size_t length) noexcept:
    cdef const char* word = arg_at(b, r, at)
    cdef size_t i
    cdef char c
    if arg_length(b, r, at) != length:
        return False
    for i in range(length):
        c = word[i]
        if (c - 32 if c'a' <= c <= c'z' else c) != upper[i]:
            return False
    return True


cdef bint find_keys(const KeySearch* search, const Batch* b, const Request* r, int64_t* first, int64_t* end) noexcept:
    cdef int64_t count = r.arg_count, keys
    cdef int64_t at = search.begin
    if search.keyword != NULL:
        while at < count and not _is_word(b, r, <uint32_t>at, search.keyword, search.keyword_length):
            at += 1
        at = at + 1 if at + 1 < count else 0
        if at == 0:
            first[0] = 0
            return True
    if search.count_at >= 0:
        if (at + search.count_at >= count
                or not parse_int64(arg_at(b, r, <uint32_t>(at + search.count_at)),
                                   arg_length(b, r, <uint32_t>(at + search.count_at)), &keys)
                or keys <= 0 or keys > count):
            return False
        at += search.first
        end[0] = at + (keys - 1) * search.step
    elif search.last >= 0:
        end[0] = at + search.last
    elif search.limit == 0:
        end[0] = count + search.last
    else:
        end[0] = at + (count - at) // search.limit + search.last
    first[0] = at
    return at <= end[0] < count


cdef inline bint _matches(const Pattern* pattern, const char* text, size_t length) noexcept:
    if pattern.prefix != NO_PREFIX and length:         # a lone star and an empty text are the general case's
        return length >= pattern.prefix and memcmp(text, pattern.text, pattern.prefix) == 0
    return glob_match(pattern.text, pattern.length, text, length, False)


cdef inline bint _may_use(const Selected* selector, const char* key, size_t length, uint8_t access) noexcept:
    cdef int i
    for i in range(selector.key_count):
        if selector.keys[i].access & access == access and _matches(&selector.keys[i], key, length):
            return True
    return False


cdef int64_t _refused_key(const Selected* selector, const Needs* needs, const Batch* b, const Request* r) noexcept:
    """The first argument that is a key which may not be used so; 0: none, NOT_KNOWN: that cannot be told here. Where one
    search fails, the command will refuse its arguments: they name no keys at all."""
    cdef int i
    cdef int64_t at, end, refused = 0
    cdef uint8_t access
    if not needs.known:
        return NOT_KNOWN
    for i in range(needs.searches):
        if not find_keys(&needs.search[i], b, r, &at, &end):
            return NOT_KNOWN
        if at == 0 or refused:
            continue
        access = needs.search[i].access
        if needs.reads_with != NULL:
            access = READ | WRITE if _has_option(needs, b, r) else WRITE
        while at <= end and not refused:
            if not _may_use(selector, arg_at(b, r, <uint32_t>at), arg_length(b, r, <uint32_t>at), access):
                refused = at
            at += needs.search[i].step
    return refused


cdef bint _has_option(const Needs* needs, const Batch* b, const Request* r) noexcept:
    cdef uint32_t at
    for at in range(_OPTIONS, r.arg_count):
        if _is_word(b, r, at, needs.reads_with, needs.reads_with_length):
            return True
    return False


cdef int64_t _refused_channel(const Selected* selector, const Needs* needs, const Batch* b, const Request* r) noexcept:
    """The argument that is a channel, or a pattern, which may not be heard; 0: none."""
    cdef uint32_t at = needs.first_channel
    cdef uint32_t end = r.arg_count if needs.last_channel < 0 else <uint32_t>needs.last_channel + 1
    cdef int i
    cdef bint heard
    while at < end and at < r.arg_count:
        heard = False
        for i in range(selector.channel_count):
            if needs.channel_patterns:
                heard = (selector.channels[i].length == arg_length(b, r, at)
                         and memcmp(selector.channels[i].text, arg_at(b, r, at), arg_length(b, r, at)) == 0)
            else:
                heard = _matches(&selector.channels[i], arg_at(b, r, at), arg_length(b, r, at))
            if heard:
                break
        if not heard:
            return at
        at += 1
    return 0


cdef inline bint _may_run(const Selected* selector, const Needs* needs) noexcept:
    return needs.free or selector.commands[needs.command >> 6] >> (needs.command & 63) & 1


cdef bint permits(Permissions permissions, const Needs* needs, const Batch* b, const Request* r) noexcept:
    cdef int i
    cdef const Selected* selector
    for i in range(permissions.count):
        selector = &permissions.selectors[i]
        if (_may_run(selector, needs) and (selector.all_keys or _refused_key(selector, needs, b, r) == 0)
                and (not needs.channels or selector.all_channels or _refused_channel(selector, needs, b, r) == 0)):
            return True
    return False


cdef int refusal(Permissions permissions, const Needs* needs, const Batch* b, const Request* r, uint32_t* at) noexcept:
    cdef const Selected* selector = &permissions.selectors[0]
    cdef int64_t refused
    at[0] = 0
    if permissions.count != 1 or permissions.by_first_words:
        return 0
    if not _may_run(selector, needs):
        return OF_COMMAND
    refused = 0 if selector.all_keys else _refused_key(selector, needs, b, r)
    if refused == 0 and needs.channels and not selector.all_channels:
        at[0] = <uint32_t>_refused_channel(selector, needs, b, r)
        return OF_CHANNEL if at[0] else 0
    at[0] = <uint32_t>refused if refused > 0 else 0
    return OF_KEY if at[0] else 0


def permitted(Permissions permissions, command, argv) -> bool:
    """`permits`, for tests: True only where the definition says so."""
    cdef Needs needs
    cdef Batch b
    cdef Request r
    cdef list words = list(argv)
    cdef bytes text = b"".join(words)
    cdef size_t at = 0
    cdef int i
    read_needs(command, &needs)
    memset(&b, 0, sizeof(Batch))
    memset(&r, 0, sizeof(Request))
    b.buffer = PyBytes_AS_STRING(text)
    b.args = <Arg*>calloc(len(words) + 1, sizeof(Arg))
    if b.args == NULL:
        raise MemoryError
    for i in range(len(words)):
        b.args[i].offset = at
        b.args[i].length = len(words[i])
        at += len(words[i])
    r.arg_count = <uint32_t>len(words)
    try:
        return permits(permissions, &needs, &b, &r)
    finally:
        free(b.args)
