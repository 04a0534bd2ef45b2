# cython: language_level=3
"""The words of a command's syntax, for its fast path.

    cdef const OptionWords* _ZADD = words_of("zadd", {"NX": ZADD_NX, "XX": ZADD_XX, "CH": CHANGED})

Which words there are, which take a value and which exclude each other is compiled from the command's declaration
(registry.option_words), which the definition reads too; a fast path adds what each of them means to it. A word to which
it gives no meaning is the definition's: whoever meets it declines.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t

from server.dispatch.folded cimport FOLDED_MAX
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport length_at, word_at

cdef enum:
    MOST_WORDS = 16                    # of one command
    SHORT_WORD = 8

cdef struct OptionWord:
    uint64_t head, tail                # its name (dispatch.folded): of up to SHORT_WORD bytes in `head` alone
    uint32_t length
    uint32_t bit                       # its own
    uint32_t rivals                    # bits of those that exclude it
    uint32_t means                     # to the fast path; 0: what the definition alone understands
    bint valued                        # the argument behind it is its value

cdef struct OptionWords:
    uint32_t count
    uint32_t lengths                   # bit n: there is a word of n bytes
    uint32_t rows                      # bit n: one may begin with a byte of row n of ASCII, of 32 each
    OptionWord words[MOST_WORDS]

cdef struct Options:                   # that were given
    uint32_t means                     # of all of them
    uint32_t value_at                  # argument that is the value of the last one that takes one; 0: none

cdef const OptionWords* words_of(str command, dict meanings) except NULL       # at import; filled when commands get their fast paths
cdef const OptionWord* find_word(const OptionWords* words, const char* s, size_t n) noexcept
cdef enum:                             # what read_options found
    ODD = 0                            # what the definition must look at: one without meaning, one twice
    FIT = 1
    WRONG = 2                          # a syntax error, to every reader of these words

cdef int read_options(Op* op, const OptionWords* words, uint32_t at, Options* options) noexcept
    # options and nothing else from argument `at` on

cdef inline uint32_t meaning_at(Op* op, const OptionWords* words, uint32_t at) noexcept:
    """What the word in an argument means; 0: nothing, or it is no word."""
    cdef size_t n = length_at(op, at)
    cdef const OptionWord* word
    if n > FOLDED_MAX or not words.lengths >> n & 1 or not words.rows >> (<unsigned char>word_at(op, at)[0] >> 5) & 1:
        return 0
    word = find_word(words, word_at(op, at), n)
    return word.means if word != NULL else 0
