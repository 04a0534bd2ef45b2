# cython: language_level=3
"""What the door asks: may this user make this call? A user's selectors in the form of bits and patterns, and what a
command needs of them.

`permits` says yes only when the definition (`user.User.may`) does. Its no means that the definition has to be asked,
which also knows the error: a command whose keys only Python can find, and a first argument in a rule, are such cases.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from iothreads.message cimport Batch, Request

cdef enum:
    COMMAND_WORDS = 8                  # 64 commands each
    SEARCHES_MAX = 3                   # key specifications of one command

cdef enum:                             # as in acl.selector.Denial
    OF_COMMAND = 1
    OF_KEY = 2
    OF_CHANNEL = 4

cdef struct KeySearch:                 # a key specification (registry.keys.KeySpec)
    int begin                          # argument of the first key; with a keyword: where it may begin to stand
    const char* keyword                # NULL: none
    size_t keyword_length
    int count_at                       # keys are counted by the argument so far behind the first; -1: they are a range
    int first, last, step, limit
    uint8_t access                     # READ and WRITE: what is done to the keys

cdef struct Needs:                     # what a command asks of a user
    uint32_t command                   # its bit
    bint free                          # anybody may call it (NO_AUTH); its keys count
    bint known                         # the searches find all its keys
    uint8_t searches
    KeySearch search[SEARCHES_MAX]
    const char* reads_with             # the option without which the key is only written; NULL: none
    size_t reads_with_length
    uint32_t plain_words               # in a call of at most so many words, argument 1 is its only key; 0: in none
    uint8_t plain_access               # ... and this is done to it
    bint channels, channel_patterns    # it names channels, or patterns of them ...
    int first_channel, last_channel    # ... from this argument to that one; -1: to the end

cdef struct Pattern:
    const char* text
    size_t length
    size_t prefix                      # so many plain bytes and one star are all of it; else -1
    uint8_t access

cdef struct Selected:                  # one selector
    uint64_t commands[COMMAND_WORDS]
    bint all_keys, all_channels
    Pattern* keys
    int key_count
    Pattern* channels
    int channel_count

cdef class Permissions:
    cdef Selected* selectors
    cdef int count
    cdef bint by_first_words           # a rule asks for the first argument
    cdef list kept                     # the texts of the patterns

# Complexity: O(selectors * keys * patterns).
cdef bint permits(Permissions permissions, const Needs* needs, const Batch* b, const Request* r) noexcept
cdef int refusal(Permissions permissions, const Needs* needs, const Batch* b, const Request* r, uint32_t* at) noexcept
    # where the rules are simple: why it is not permitted, of Denial's numbers, and which argument is the reason. 0: the definition knows
cdef int read_needs(command, Needs* needs) except -1           # of a registry Command, which must live on
cdef bint find_keys(const KeySearch* search, const Batch* b, const Request* r, int64_t* first, int64_t* end) noexcept
    # the keys: arguments first[0] to end[0], with its step; first 0: the part is absent. False: the command will refuse these arguments

cdef inline bint permits_key(Permissions permissions, const Needs* needs, const char* key, size_t length) noexcept:
    """The same in short of a call in plain words, by the first selector and its patterns that end in their only star; no:
    `permits` has to be asked."""
    cdef const Selected* selector = permissions.selectors
    cdef const Pattern* pattern = selector.keys
    if not selector.commands[needs.command >> 6] >> (needs.command & 63) & 1:
        return False
    if selector.all_keys:
        return True
    while pattern != selector.keys + selector.key_count:
        if (pattern.access & needs.plain_access == needs.plain_access and 0 < pattern.prefix <= length
                and memcmp(key, pattern.text, pattern.prefix) == 0):
            return True
        pattern += 1
    return False
