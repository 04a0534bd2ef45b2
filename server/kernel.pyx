# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What a process can only do with system calls and its own memory: title, short name, huge pages, how the
allocator asks for memory. Linux; elsewhere no-ops (REMUS_LINUX: iothreads.system).

The kernel shows as command line what stands in the memory where it once put the arguments, and, when the last byte there
is no longer zero, reads on into the environment behind it. A title is written over both:

    before   python\\0-m\\0server\\0--port\\07000\\0 HOME=/root\\0PATH=...\\0
    after    /path/redis-server *:7000\\0\\0\\0...

The environment is copied out first, for getenv() of this process and for its children. Python keeps copies of its own.
"""
from libc.stdint cimport uintptr_t
from libc.stdlib cimport malloc
from libc.string cimport memcpy, memset, strdup

cdef extern from *:
    """
    #include <unistd.h>
    #include <errno.h>
    extern char **environ;
    #ifdef REMUS_LINUX
    #include <sys/prctl.h>
    #ifndef PR_SET_THP_DISABLE
    #define PR_SET_THP_DISABLE 41
    #define PR_GET_THP_DISABLE 42
    #endif
    static int remus_set_name(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }
    static int remus_set_thp_disable(void) { return prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); }
    #define REMUS_OF_LINUX 1
    #else
    #define REMUS_OF_LINUX 0
    static int remus_set_name(const char *name) { (void)name; return -1; }
    static int remus_set_thp_disable(void) { return -1; }
    #endif
    #if defined(REMUS_LINUX) && defined(__GLIBC__)
    extern char *program_invocation_name, *program_invocation_short_name;
    #define REMUS_GLIBC 1
    #define remus_program program_invocation_name
    #define remus_program_short program_invocation_short_name
    #include <malloc.h>
    static void remus_tune_malloc(void) {
        mallopt(M_TRIM_THRESHOLD, 32 << 20);
        mallopt(M_MMAP_THRESHOLD, 1 << 20);
        mallopt(M_TOP_PAD, 1 << 20);
    }
    #else
    static char *remus_program, *remus_program_short;
    #define REMUS_GLIBC 0
    static void remus_tune_malloc(void) { }
    #endif
    """
    char** environ
    char* program_invocation_name "remus_program"
    char* program_invocation_short_name "remus_program_short"
    int REMUS_GLIBC
    int REMUS_OF_LINUX
    void remus_tune_malloc() nogil
    int remus_set_name(const char*) nogil
    int remus_set_thp_disable() nogil

# While this module is imported no other thread runs yet. Chunks of many long replies come and go: without this the top of
# the heap is given back and faulted in again each time (LRANGE of 6 MB for 50 clients: a tenth of the processor time).
remus_tune_malloc()

TITLE_MAX = 255          # as in Redis
LINUX = bool(REMUS_OF_LINUX)     # whether this build uses what only Linux has

cdef char* area = NULL   # the arguments, and the environment when it follows them
cdef size_t area_size = 0
cdef bint searched = False


cdef void find_area():
    """Learn from /proc/self/stat where the arguments are, and move out what the process still reads there."""
    global area, area_size, searched
    searched = True
    if not LINUX:
        return
    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        start, end, env_start, env_end = map(int, fields[45:49])
    except (OSError, ValueError):
        return
    if not 0 < start < end:
        return                                   # hidden from us
    if env_start == end and env_end > env_start:
        end = env_end
    if not move_environment():
        return
    if REMUS_GLIBC:
        program_invocation_name_out()
    area = <char*><uintptr_t>start
    area_size = end - start


cdef bint move_environment():
    """Point `environ` at copies; they live as long as the process."""
    global environ
    cdef size_t i, count = 0
    cdef char** copies
    if environ == NULL:
        return True
    while environ[count] != NULL:
        count += 1
    copies = <char**>malloc((count + 1) * sizeof(char*))
    if copies == NULL:
        return False
    for i in range(count):
        copies[i] = strdup(environ[i])
        if copies[i] == NULL:
            return False
    copies[count] = NULL
    environ = copies
    return True


cdef void program_invocation_name_out():
    """glibc's names of the program point at the first argument."""
    global program_invocation_name, program_invocation_short_name
    cdef char* copied = strdup(program_invocation_name)
    if copied != NULL:
        program_invocation_name = copied
    copied = strdup(program_invocation_short_name)
    if copied != NULL:
        program_invocation_short_name = copied


def title_room():
    """Bytes a title may have, 0 where it cannot be set."""
    if not searched:
        find_area()
    return min(TITLE_MAX, area_size - 1) if area_size else 0


def set_title(bytes title not None):
    """Show `title` in the process list (/proc/PID/cmdline); False where that is not possible."""
    cdef size_t size = min(len(title), title_room())
    if size == 0:
        return False
    memset(area, 0, area_size)
    memcpy(area, <const char*>title, size)
    return True


def set_name(bytes name not None):
    """The short name of the calling thread (/proc/PID/comm), at most 15 bytes."""
    remus_set_name(<const char*>name)


def disable_huge_pages():
    """No transparent huge pages for this process and its children; False when the kernel will not."""
    return remus_set_thp_disable() == 0
