# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc

from server.dispatch.folded cimport FOLDED_MAX, fold_name, fold_short

cdef list _asked_for = []              # (command, meanings, address of its OptionWords)


cdef const OptionWords* words_of(str command, dict meanings) except NULL:
    cdef OptionWords* words = <OptionWords*>calloc(1, sizeof(OptionWords))     # for good
    if words == NULL:
        raise MemoryError
    _asked_for.append((command, meanings, <size_t>words))
    return words


def compile_words(dict commands) -> None:
    """Fill what fast paths have asked for, from the declarations of registry.command.COMMANDS. Errors: ValueError for a
    meaning without a word."""
    known = {command.name: command for command in commands.values()}
    for name, meanings, address in _asked_for:
        if name in known:              # `rename-command` may have taken it
            _compile(<OptionWords*><size_t>address, known[name].option_words.words, meanings)
            missing = meanings.keys() - {word.name for word in known[name].option_words.words}
            if missing:
                raise ValueError(f"{name} has no word {', '.join(sorted(missing))}")


cdef int _compile(OptionWords* into, tuple words, dict meanings) except -1:
    cdef OptionWord* one
    cdef bytes name
    if len(words) > MOST_WORDS:
        raise ValueError(f"{len(words)} words, {MOST_WORDS} are taken")
    into.count = into.lengths = into.rows = 0
    for word in words:
        name = word.name.lower().encode()
        if len(name) > FOLDED_MAX:
            raise ValueError(f"{word.name} is too long")
        one = &into.words[into.count]
        _fold(name, len(name), &one.head, &one.tail)
        one.length = <uint32_t>len(name)
        one.bit, one.rivals, one.valued = word.bit, word.rivals, word.valued
        one.means = meanings.get(word.name, 0)
        into.lengths |= <uint32_t>1 << one.length
        into.rows |= <uint32_t>1 << (name[0] >> 5) | <uint32_t>1 << (name.upper()[0] >> 5)
        into.count += 1
    return 0


cdef inline void _fold(const char* s, size_t n, uint64_t* head, uint64_t* tail) noexcept:
    if n <= SHORT_WORD:
        head[0] = fold_short(s, n)
        tail[0] = 0
    else:
        fold_name(s, n, head, tail)


cdef const OptionWord* find_word(const OptionWords* words, const char* s, size_t n) noexcept:
    """NULL: no word of the command. Complexity: O(words)."""
    cdef uint64_t head, tail
    cdef const OptionWord* word = &words.words[0]
    cdef const OptionWord* end = word + words.count
    if n > FOLDED_MAX or not words.lengths >> n & 1:
        return NULL
    _fold(s, n, &head, &tail)
    while word < end:
        if word.head == head and word.tail == tail and word.length == n:
            return word
        word += 1
    return NULL


cdef int read_options(Op* op, const OptionWords* words, uint32_t at, Options* options) noexcept:
    cdef const OptionWord* word
    cdef uint32_t seen = 0
    options.means = options.value_at = 0
    while at < op.r.arg_count:
        word = find_word(words, word_at(op, at), length_at(op, at))
        if word == NULL or seen & word.rivals:
            return WRONG
        if word.means == 0 or seen & word.bit:
            return ODD
        seen |= word.bit
        options.means |= word.means
        at += 1
        if word.valued:
            if at == op.r.arg_count:
                return WRONG
            options.value_at = at
            at += 1
    return FIT


def look_up(str command, bytes argument) -> tuple[int, int, bool, int] | None:
    """What fast paths know of an argument as a word of that command: (bit, rivals, valued, means); None: it is none.
    Errors: KeyError for a command whose fast path reads no words."""
    cdef const OptionWords* words
    cdef const OptionWord* word
    for name, _, address in _asked_for:
        if name == command:
            words = <const OptionWords*><size_t>address
            word = find_word(words, argument, len(argument))
            return None if word == NULL else (word.bit, word.rivals, bool(word.valued), word.means)
    raise KeyError(command)
