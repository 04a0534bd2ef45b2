# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""RESP requests as Redis 7.2 reads them, byte for byte, including its leniencies.

A request is `*<count>\\r\\n` and count times `$<length>\\r\\n<bytes>\\r\\n`, or an inline line of words. Counts below
one and empty lines are skipped. The byte after a `\\r` of a header and the two after a bulk are not looked at. A zero
byte hides the line end behind it, as it does for the C string functions that define the format.
"""
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memchr, memmove

from iothreads.decimal cimport parse_int64
from iothreads.message cimport (PARSE_EXPECTED_DOLLAR, PARSE_INVALID_BULK_LENGTH, PARSE_INVALID_MULTIBULK_LENGTH, PARSE_OK,
                                PARSE_TOO_BIG_BULK_COUNT, PARSE_TOO_BIG_INLINE, PARSE_TOO_BIG_MBULK_COUNT,
                                PARSE_UNAUTHENTICATED_BULK, PARSE_UNAUTHENTICATED_MULTIBULK, PARSE_UNBALANCED_QUOTES,
                                ROOMY_HEAD, ROOMY_MIN, Arg, Request, batch_more_args, batch_more_commands, batch_room)

cdef enum:                             # what header() found
    HEADER_NUMBER = 0
    HEADER_PARTIAL = 1
    HEADER_TOO_LONG = 2
    HEADER_WRONG = 3                   # a whole line, but no number
    PLAIN_BULK = 99999                 # the longest argument that parse_plain takes
    ROOMY_BEFORE = 4096                # of a command in front of a roomy argument, bytes at most


cdef void reader_reset(Reader* reader) noexcept nogil:
    reader.position = reader.command_start = reader.roomy = 0
    reader.first_arg = 0
    reader.remaining = 0
    reader.bulk_length = -1


cdef inline void push_arg(Batch* b, size_t offset, size_t length) noexcept nogil:
    if b.arg_count == b.arg_capacity:
        batch_more_args(b)
    cdef Arg* arg = &b.args[b.arg_count]
    arg.offset = offset
    arg.length = length
    b.arg_count += 1


cdef inline void push_command(Reader* reader, Batch* b, size_t length) noexcept nogil:
    if b.command_count == b.command_capacity:
        batch_more_commands(b)
    cdef Request* command = &b.commands[b.command_count]
    command.first_arg = reader.first_arg
    command.arg_count = b.arg_count - reader.first_arg
    command.record = NULL
    command.hash = 0
    command.bytes = reader.command_start
    command.bytes_length = length
    command.gap = 0
    b.command_count += 1
    reader.first_arg = b.arg_count


cdef int slow_header(const char* p, const char* end, int64_t* value, const char** after) noexcept nogil:
    cdef const char* cr = <const char*>memchr(p, c'\r', end - p)
    if cr == NULL or memchr(p, 0, cr - p) != NULL:
        return HEADER_TOO_LONG if end - p > LINE_MAX else HEADER_PARTIAL
    if end - cr < 2:
        return HEADER_PARTIAL
    after[0] = cr + 2
    return HEADER_NUMBER if parse_int64(p + 1, cr - p - 1, value) else HEADER_WRONG


cdef inline int header(const char* p, const char* end, int64_t* value, const char** after) noexcept nogil:
    """The number of a header line; p is at its type byte."""
    cdef const char* q = p + 1
    cdef int64_t v
    if q < end and q[0] >= c'1' and q[0] <= c'9':
        v = q[0] - c'0'
        q += 1
        while q < end and q[0] >= c'0' and q[0] <= c'9' and q - p < 18:
            v = v * 10 + (q[0] - c'0')
            q += 1
        if end - q >= 2 and q[0] == c'\r':
            value[0] = v
            after[0] = q + 2
            return HEADER_NUMBER
    return slow_header(p, end, value, after)


cdef inline bint blank(char c) noexcept nogil:
    return c == c' ' or (c >= 9 and c <= 13)


cdef inline int hex_digit(char c) noexcept nogil:
    if c >= c'0' and c <= c'9':
        return c - c'0'
    if c >= c'a' and c <= c'f':
        return c - c'a' + 10
    if c >= c'A' and c <= c'F':
        return c - c'A' + 10
    return -1


cdef inline char escaped(char c) noexcept nogil:
    if c == c'n':
        return c'\n'
    if c == c'r':
        return c'\r'
    if c == c't':
        return c'\t'
    if c == c'b':
        return 8
    if c == c'a':
        return 7
    return c


cdef char* double_quoted(char* p, char* end, char** to) noexcept nogil:
    """Decodes up to the closing quote; returns the place after it, NULL if there is none."""
    cdef char* w = to[0]
    while p < end:
        if p[0] == c'"':
            to[0] = w
            return p + 1
        if p[0] == c'\\' and end - p >= 4 and p[1] == c'x' and hex_digit(p[2]) >= 0 and hex_digit(p[3]) >= 0:
            w[0] = <char>(hex_digit(p[2]) * 16 + hex_digit(p[3]))
            p += 4
        elif p[0] == c'\\' and end - p >= 2:
            w[0] = escaped(p[1])
            p += 2
        else:
            w[0] = p[0]
            p += 1
        w += 1
    return NULL


cdef char* single_quoted(char* p, char* end, char** to) noexcept nogil:
    cdef char* w = to[0]
    while p < end:
        if p[0] == c"'":
            to[0] = w
            return p + 1
        if p[0] == c'\\' and end - p >= 2 and p[1] == c"'":
            p += 1
        w[0] = p[0]
        w += 1
        p += 1
    return NULL


cdef bint split_words(Batch* b, char* p, char* end) noexcept nogil:
    """Pushes the words of an inline request, decoded in place; false if its quotes are unbalanced.

    Decoding only shortens, so the writing place never overtakes the reading one.
    """
    cdef char* start
    cdef char* w
    while True:
        while p < end and blank(p[0]):
            p += 1
        if p == end:
            return True
        start = w = p
        while p < end:
            if p[0] == c'"':
                p = double_quoted(p + 1, end, &w)
            elif p[0] == c"'":
                p = single_quoted(p + 1, end, &w)
            elif p[0] == c' ' or p[0] == c'\t' or p[0] == c'\n' or p[0] == c'\r':
                break
            else:
                w[0] = p[0]
                w += 1
                p += 1
                continue
            if p == NULL or (p < end and not blank(p[0])):
                return False
            break                      # a closing quote ends the word
        push_arg(b, start - b.buffer, w - start)


cdef bint parse_inline(Reader* reader, Batch* b) noexcept nogil:
    """One line; false when there is no whole line or an error."""
    cdef char* p = b.buffer + reader.position
    cdef char* end = b.buffer + b.used
    cdef char* newline = <char*>memchr(p, c'\n', end - p)
    cdef char* stop
    if newline == NULL or memchr(p, 0, newline - p) != NULL:
        if end - p > LINE_MAX:
            b.error = PARSE_TOO_BIG_INLINE
        return False
    if newline - p > LINE_MAX:
        b.error = PARSE_TOO_BIG_INLINE     # however the bytes came in
        return False
    stop = newline
    if stop != p and (stop - 1)[0] == c'\r':
        stop -= 1
    if not split_words(b, p, stop):
        b.arg_count = reader.first_arg
        b.error = PARSE_UNBALANCED_QUOTES
        return False
    reader.command_start = reader.position
    reader.position = newline + 1 - b.buffer
    if b.arg_count > reader.first_arg:
        push_command(reader, b, 0)
    return True


cdef bint parse_count(Reader* reader, Batch* b, bint authenticated) noexcept nogil:
    """The `*<count>` line; false when it is not whole or an error."""
    cdef const char* after = NULL
    cdef int64_t value = 0
    cdef int found = header(b.buffer + reader.position, b.buffer + b.used, &value, &after)
    if found == HEADER_PARTIAL:
        return False
    if found == HEADER_TOO_LONG:
        b.error = PARSE_TOO_BIG_MBULK_COUNT
        return False
    if found == HEADER_WRONG or value > 0x7FFFFFFF:
        b.error = PARSE_INVALID_MULTIBULK_LENGTH
        return False
    if value > STRANGER_ARGS and not authenticated:
        b.error = PARSE_UNAUTHENTICATED_MULTIBULK
        return False
    reader.command_start = reader.position
    reader.position = after - b.buffer
    if value > 0:
        reader.remaining = <int32_t>value
    return True


cdef bint parse_bulk_length(Reader* reader, Batch* b, int64_t max_bulk, bint authenticated) noexcept nogil:
    cdef const char* p = b.buffer + reader.position
    cdef const char* after = NULL
    cdef int64_t value = 0
    cdef int found = header(p, b.buffer + b.used, &value, &after)
    if found == HEADER_PARTIAL:
        return False
    if found == HEADER_TOO_LONG:
        b.error = PARSE_TOO_BIG_BULK_COUNT
        return False
    if p[0] != c'$':
        if p[0] == 0:                  # hides the end of the line from Redis, too
            if b.used - reader.position > LINE_MAX:
                b.error = PARSE_TOO_BIG_BULK_COUNT
            return False
        b.error = PARSE_EXPECTED_DOLLAR
        b.error_byte = <unsigned char>p[0]
        return False
    if found == HEADER_WRONG or value < 0 or value > max_bulk:
        b.error = PARSE_INVALID_BULK_LENGTH
        return False
    if value > STRANGER_BULK and not authenticated:
        b.error = PARSE_UNAUTHENTICATED_BULK
        return False
    reader.bulk_length = value
    reader.position = after - b.buffer
    return True


cdef bint parse_bulks(Reader* reader, Batch* b, int64_t max_bulk, bint authenticated) noexcept nogil:
    """The arguments still to come; false when they are not all there or an error."""
    while reader.remaining > 0:
        if reader.bulk_length < 0:
            if reader.position >= b.used or not parse_bulk_length(reader, b, max_bulk, authenticated):
                return False
        if b.used - reader.position < <size_t>reader.bulk_length + 2:
            return False
        push_arg(b, reader.position, <size_t>reader.bulk_length)
        reader.position += <size_t>reader.bulk_length + 2
        reader.bulk_length = -1
        reader.remaining -= 1
    if reader.roomy:
        b.roomy = reader.roomy if reader.position == b.used else 0
        reader.roomy = 0
        push_command(reader, b, reader.position - reader.command_start - reader.gap)
        b.commands[b.command_count - 1].gap = reader.gap
    else:
        push_command(reader, b, reader.position - reader.command_start)
    return True


cdef bint leave_room(Reader* reader, Batch* b) noexcept nogil:
    """What has come of the argument moves up, to where a value's head fits in front of it: the command is no longer one
    piece of RESP. False: it is not long, or not the last of its command, or the command is not the first here."""
    cdef size_t at = reader.position
    cdef size_t to = ((at + 7) & ~<size_t>7) + ROOMY_HEAD
    if (reader.bulk_length < ROOMY_MIN or reader.remaining != 1 or reader.command_start != 0 or b.command_count > 0
            or at > ROOMY_BEFORE):
        return False
    batch_room(b, b.used + to - at)
    memmove(b.buffer + to, b.buffer + at, b.used - at)
    b.used += to - at
    reader.position = reader.roomy = to
    reader.gap = <uint8_t>(to - at)
    return True


cdef inline bint short_length(const char** at, size_t* length) noexcept nogil:
    """A header of one or two digits, with at least 6 readable bytes from its type byte on. False: something else. `at`
    goes past the line."""
    cdef const char* p = at[0]
    cdef uint32_t first = <uint32_t><unsigned char>p[1] - 48
    cdef uint32_t second
    if p[2] == c'\r' and first <= 9:
        length[0] = first
        at[0] = p + 4
        return True
    second = <uint32_t><unsigned char>p[2] - 48
    if p[3] != c'\r' or first - 1 > 8 or second > 9:
        return False
    length[0] = first * 10 + second
    at[0] = p + 5
    return True


cdef inline bint plain_length(const char** at, size_t* length) noexcept nogil:
    """A header of three to five digits, with at least 17 readable bytes from its type byte on. False: something else."""
    cdef const char* p = at[0] + 1
    cdef uint32_t digit = <uint32_t><unsigned char>p[0] - 48
    cdef size_t value = digit
    if digit - 1 > 8:
        return False
    p += 1
    while True:
        digit = <uint32_t><unsigned char>p[0] - 48
        if digit > 9 or value > PLAIN_BULK // 10:
            return False
        value = value * 10 + digit
        p += 1
        if p[0] == c'\r':
            break
    at[0] = p + 2
    length[0] = value
    return True


cdef bint parse_plain(Reader* reader, Batch* b) noexcept nogil:
    """One whole command between commands, if it is as nearly all are: one to nine arguments, none longer than PLAIN_BULK.
    False leaves everything as it was: the rest of this file looks at it byte by byte."""
    cdef const char* end = b.buffer + b.used
    cdef const char* start = b.buffer + reader.position
    cdef const char* p = start + 4
    cdef Arg* arg = &b.args[b.arg_count]
    cdef uint32_t count, i
    cdef size_t length = 0
    if end - start < 10 or start[2] != c'\r':
        return False
    count = <uint32_t><unsigned char>start[1] - 48
    if count - 1 > 8 or b.arg_count + count > b.arg_capacity:
        return False
    for i in range(count):
        if end - p < 6 or p[0] != c'$' or not short_length(&p, &length) and (end - p < 17 or not plain_length(&p, &length)):
            return False
        if <size_t>(end - p) < length + 2:
            return False
        arg.offset = p - b.buffer
        arg.length = length
        arg += 1
        p += length + 2
    reader.command_start = reader.position
    reader.position = p - b.buffer
    b.arg_count += count
    push_command(reader, b, p - start)
    return True


cdef void parse(Reader* reader, Batch* b, int64_t max_bulk, bint authenticated) noexcept nogil:
    """Parses all that is there: O(bytes). For a stranger it stops after one command, as that may change the limits."""
    cdef bint plain = authenticated and max_bulk >= PLAIN_BULK
    while reader.position < b.used:
        if reader.remaining == 0:
            if plain and b.buffer[reader.position] == c'*' and parse_plain(reader, b):
                continue
            if b.buffer[reader.position] != c'*':
                if not parse_inline(reader, b):
                    return
            elif not parse_count(reader, b, authenticated):
                return
        if reader.remaining > 0 and not parse_bulks(reader, b, max_bulk, authenticated):
            return
        if not authenticated and b.command_count > 0:
            return


cdef void compact(Reader* reader, Batch* b) noexcept nogil:
    """Drops the executed commands; the arguments of an unfinished one and the tail move to the front."""
    cdef bint unfinished = reader.remaining > 0
    cdef size_t cut = reader.command_start if unfinished else reader.position
    cdef uint32_t i, kept = b.arg_count - reader.first_arg if unfinished else 0
    b.command_count = b.next = 0
    b.roomy = 0
    for i in range(kept):
        b.args[i].offset = b.args[reader.first_arg + i].offset - cut
        b.args[i].length = b.args[reader.first_arg + i].length
    b.arg_count = kept
    reader.first_arg = 0
    if cut > 0:
        if b.used > cut:
            memmove(b.buffer, b.buffer + cut, b.used - cut)
        b.used -= cut
        reader.position -= cut
    reader.command_start = 0
