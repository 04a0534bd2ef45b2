# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The handlers of signals that report: a fatal one writes a crash report to the log and lets the process die of the signal;
the watchdog's SIGALRM tells what the server is at, which then goes on.

A signal handler may not allocate, lock or run Python, so everything is formatted by hand into a fixed buffer and
written with write(2). The report has two halves, and between them the faulthandler module writes the Python stack:

    head (installed last, so it runs first) -> faulthandler -> tail (installed first) -> the signal's default action

The command that was running is read through CrashContext, which the executor keeps up to date.
"""
from cpython.ref cimport PyObject
from libc.errno cimport errno
from libc.signal cimport SIG_DFL, SIGABRT, SIGFPE, SIGILL, SIGSEGV
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset, strlen
from posix.fcntl cimport O_APPEND, O_CREAT, O_WRONLY, open
from posix.signal cimport (SA_NODEFER, SA_ONSTACK, SA_RESTART, SA_SIGINFO, sigaction, sigaction_t, sigemptyset,
                           siginfo_t)
from posix.time cimport CLOCK_REALTIME, clock_gettime, timespec
from posix.unistd cimport close, dup2, getpid, write

import os
import time

cdef extern from "<signal.h>" nogil:
    int raise_signal "raise"(int number)
    enum: SI_USER
    enum: SIGALRM
    enum: SIGBUS

cdef extern from * nogil:
    """
    static inline void remus_errno_again(int value) { errno = value; }
    """
    void set_errno "remus_errno_again"(int value)

cdef extern from "<sys/mman.h>" nogil:
    enum: PROT_READ
    enum: MAP_PRIVATE
    enum: MAP_ANONYMOUS
    void* mmap(void* address, size_t length, int protection, int flags, int fd, int64_t offset)

cdef extern from "Python.h" nogil:
    PyObject* list_item "PyList_GET_ITEM"(PyObject* list, Py_ssize_t at)
    Py_ssize_t list_size "PyList_GET_SIZE"(PyObject* list)
    char* bytes_data "PyBytes_AS_STRING"(PyObject* value)
    Py_ssize_t bytes_size "PyBytes_GET_SIZE"(PyObject* value)
    void* text_data "PyUnicode_DATA"(PyObject* value)
    Py_ssize_t text_length "PyUnicode_GET_LENGTH"(PyObject* value)
    bint text_is_ascii "PyUnicode_IS_COMPACT_ASCII"(PyObject* value)

cdef enum:
    OUT_SIZE = 8192
    WORD_SHOWN = 128                   # bytes of an argument that are shown
    WORDS_SHOWN = 32

cdef CrashContext _context
cdef char _path[4096]                  # the log file, empty: standard output
cdef char _version[64]
cdef char _facts[8192]                 # prepared text about the server
cdef long _gmt_offset                  # seconds east of UTC when prepared
cdef char _out[OUT_SIZE]
cdef size_t _used
cdef int _signals[5]
_signals[:] = [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT]
cdef sigaction_t _next[65]             # by signal: what the head hands on to (faulthandler)
cdef bint _headed                      # the head has been written
cdef void (*_write_stack)(int) noexcept nogil          # faulthandler's handler of SIGALRM ...
cdef int _stack_fd                     # ... and where it writes to
cdef const char* _MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
cdef const char* _HEX = "0123456789abcdef"


cdef CrashContext* crash_context() noexcept nogil:
    return &_context


# ---- formatting without the C library's help
cdef void put(const char* text, size_t length) noexcept nogil:
    global _used
    if length > OUT_SIZE - _used:
        length = OUT_SIZE - _used
    memcpy(_out + _used, text, length)
    _used += length


cdef void put_text(const char* text) noexcept nogil:
    put(text, strlen(text))


cdef void put_number(int64_t value, int width) noexcept nogil:
    """Decimal, with leading zeros up to width."""
    cdef char digits[24]
    cdef int at = 24
    cdef uint64_t left = <uint64_t>(-value) if value < 0 else <uint64_t>value
    while left or at == 24 or 24 - at < width:
        at -= 1
        digits[at] = <char>(48 + left % 10)
        left //= 10
    if value < 0:
        put("-", 1)
    put(digits + at, 24 - at)


cdef void put_hex(uint64_t value) noexcept nogil:
    cdef int shift = 60
    put("0x", 2)
    while shift > 0 and not value >> shift:
        shift -= 4
    while shift >= 0:
        put(_HEX + ((value >> shift) & 15), 1)
        shift -= 4


cdef void put_quoted(const char* text, size_t length) noexcept nogil:
    cdef size_t i
    cdef unsigned char c
    put("'\"", 2)
    for i in range(length if length < WORD_SHOWN else WORD_SHOWN):
        c = <unsigned char>text[i]
        if c == 34 or c == 92:
            put("\\", 1)
            put(text + i, 1)
        elif 32 <= c < 127:
            put(text + i, 1)
        else:
            put("\\x", 2)
            put(_HEX + (c >> 4), 1)
            put(_HEX + (c & 15), 1)
    put("\"'", 2)


cdef void put_line_head() noexcept nogil:
    """`pid:M 22 Nov 2026 23:00:00.000 # `, the log's own form. The date by the civil-calendar rule (days since
    0000-03-01)."""
    cdef timespec now
    cdef int64_t local, days, second, era, day_of_era, year_of_era, day_of_year, month, day, year
    clock_gettime(CLOCK_REALTIME, &now)
    local = now.tv_sec + _gmt_offset
    days = local // 86400 + 719468
    second = local % 86400
    era = days // 146097
    day_of_era = days - era * 146097
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    put_number(getpid(), 1)
    put(":M ", 3)
    put_number(day, 2)
    put(" ", 1)
    put(_MONTHS + 3 * (month - 1), 3)
    put(" ", 1)
    put_number(year, 4)
    put(" ", 1)
    put_number(second // 3600, 2)
    put(":", 1)
    put_number(second // 60 % 60, 2)
    put(":", 1)
    put_number(second % 60, 2)
    put(".", 1)
    put_number(now.tv_nsec // 1000000, 3)
    put(" # ", 3)


cdef void write_out() noexcept nogil:
    """What was put so far goes to the log."""
    global _used
    cdef int fd = open(_path, O_APPEND | O_CREAT | O_WRONLY, 0o644) if _path[0] else 1
    cdef size_t done = 0
    cdef Py_ssize_t wrote
    if fd >= 0:
        while done < _used:
            wrote = write(fd, _out + done, _used - done)
            if wrote <= 0:
                break
            done += wrote
        if _path[0]:
            close(fd)
    _used = 0


# ---- the report
cdef void put_head(int number, siginfo_t* info) noexcept nogil:
    put_text(b"\n\n=== REDIS BUG REPORT START: Cut & paste starting from here ===\n")
    put_line_head()
    put_text(b"Redis ")
    put_text(_version)
    put_text(b" crashed by signal: ")
    put_number(number, 1)
    put_text(b", si_code: ")
    put_number(info.si_code, 1)
    put(b"\n", 1)
    if number == SIGSEGV or number == SIGBUS:
        put_line_head()
        put_text(b"Accessing address: ")
        put_hex(<uint64_t><uintptr_t>info.si_addr)
        put(b"\n", 1)
    if info.si_code == SI_USER:
        put_line_head()
        put_text(b"Killed by PID: ")
        put_number(info.si_pid, 1)
        put_text(b", UID: ")
        put_number(info.si_uid, 1)
        put(b"\n", 1)
    put_text(b"\n------ STACK TRACE ------\n")


cdef bint is_word(const char* word, const char* name, size_t length) noexcept nogil:
    """Whether a name, in any case, is this lower-case word."""
    cdef size_t i
    if strlen(word) != length:
        return False
    for i in range(length):
        if (name[i] | 32) != word[i]:
            return False
    return True


cdef bint is_sensitive(const char* name, size_t length) noexcept nogil:
    """Commands whose words may be passwords."""
    return (is_word("auth", name, length) or is_word("hello", name, length) or is_word("acl", name, length)
            or is_word("config", name, length) or is_word("migrate", name, length))


cdef void put_command() noexcept nogil:
    cdef Py_ssize_t count, i
    cdef PyObject* word
    cdef bint hide
    if _context.argv == NULL:
        put_text(b"\nNo command of the Python side was running.\n")
        return
    put_text(b"\n------ CURRENT CLIENT INFO ------\nid=")
    put_number(_context.client_id, 1)
    put_text(b" addr=")
    if _context.address != NULL and text_is_ascii(_context.address):
        put(<char*>text_data(_context.address), text_length(_context.address))
    put_text(b" db=")
    put_number(_context.db, 1)
    count = list_size(_context.argv)
    put_text(b"\nargc: '")
    put_number(count, 1)
    put_text(b"'\n")
    hide = count > 0 and is_sensitive(bytes_data(list_item(_context.argv, 0)), bytes_size(list_item(_context.argv, 0)))
    for i in range(count if count < WORDS_SHOWN else WORDS_SHOWN):
        put_text(b"argv[")
        put_number(i, 1)
        put_text(b"]: ")
        if hide and i > 0:
            put_text(b"'\"(redacted)\"'")
        else:
            word = list_item(_context.argv, i)
            put_quoted(bytes_data(word), bytes_size(word))
        put(b"\n", 1)


cdef void write_tail() noexcept nogil:
    put_text(b"\n------ INFO OUTPUT ------\n")
    put_text(_facts)
    put_command()
    put_text(b"\n=== REDIS BUG REPORT END. Make sure to include from START to END. ===\n")
    write_out()


cdef void default_action(int number) noexcept nogil:
    cdef sigaction_t action
    memset(&action, 0, sizeof(action))
    sigemptyset(&action.sa_mask)
    action.sa_handler = SIG_DFL
    action.sa_flags = SA_NODEFER
    sigaction(number, &action, NULL)


cdef void on_head(int number, siginfo_t* info, void* context) noexcept nogil:
    """First: what happened. Then the Python stack, by faulthandler, which raises the signal again for the tail."""
    global _headed
    if _headed:                        # crashed while reporting: enough
        default_action(number)
        raise_signal(number)
        return
    _headed = True
    put_head(number, info)
    write_out()
    sigaction(number, &_next[number], NULL)
    raise_signal(number)


cdef void on_tail(int number, siginfo_t* info, void* context) noexcept nogil:
    """Last: the server and the command. Then the process dies of the signal."""
    default_action(number)
    if not _headed:
        put_head(number, info)
    write_tail()
    raise_signal(number)


cdef int take(int number, void (*handler)(int, siginfo_t*, void*) noexcept nogil, sigaction_t* before) except -1:
    cdef sigaction_t action
    memset(&action, 0, sizeof(action))
    sigemptyset(&action.sa_mask)
    action.sa_sigaction = <void (*)(int, siginfo_t*, void*) noexcept nogil>handler
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER
    if sigaction(number, &action, before) != 0:
        raise OSError("sigaction")
    return 0


# ---- the watchdog
cdef void follow_log() noexcept nogil:
    """The log's name may stand for another file by now: the stack goes there as well."""
    cdef int fd = open(_path, O_APPEND | O_CREAT | O_WRONLY, 0o644) if _path[0] else -1
    if fd >= 0:
        dup2(fd, _stack_fd)
        close(fd)


cdef void on_alarm(int number, siginfo_t* info, void* context) noexcept nogil:
    """Amid whatever takes so long."""
    cdef int before = errno
    put_line_head()
    put_text(b"\n--- WATCHDOG TIMER EXPIRED ---\n")
    write_out()
    follow_log()
    _write_stack(number)
    put_command()
    put_line_head()
    put_text(b"--------\n")
    write_out()
    set_errno(before)


# ---- for observe.crash and observe.watchdog
def report_to(path: str) -> None:
    """A log file's path, or "" for standard output."""
    global _gmt_offset
    _gmt_offset = time.localtime().tm_gmtoff
    _copy(_path, sizeof(_path), os.fsencode(os.path.abspath(path)) if path else b"")


def prepare(version: str, facts: str) -> None:
    """What to say of the server."""
    _copy(_version, sizeof(_version), version.encode())
    _copy(_facts, sizeof(_facts), facts.encode())


cdef int _copy(char* to, size_t room, bytes text) except -1:
    text = text[:room - 1]
    memcpy(to, <const char*>text, len(text))
    to[len(text)] = 0
    return 0


def install_tail() -> None:
    """Before faulthandler is enabled."""
    for number in _signals:
        take(number, on_tail, NULL)


def install_head() -> None:
    """After faulthandler is enabled."""
    for number in _signals:
        take(number, on_head, &_next[number])


def remove() -> None:
    """No more reports: fatal signals have their default action."""
    for number in _signals:
        default_action(number)


def install_alarm(int stack_fd) -> None:
    """SIGALRM reports. Before this, faulthandler is registered for it, with that file."""
    global _stack_fd, _write_stack
    cdef sigaction_t action
    if sigaction(SIGALRM, NULL, &action) != 0:
        raise OSError("sigaction")
    _write_stack = <void (*)(int) noexcept nogil><void*>action.sa_handler
    _stack_fd = stack_fd
    memset(&action, 0, sizeof(action))
    sigemptyset(&action.sa_mask)
    action.sa_sigaction = on_alarm
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART
    if sigaction(SIGALRM, &action, NULL) != 0:
        raise OSError("sigaction")


def segfault() -> None:
    """Write to a page that is read-only: SIGSEGV (DEBUG SEGFAULT)."""
    cdef char* page = <char*>mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    page[0] = 1
