# cython: language_level=3
"""What the allocator asks of the system: mappings, and what malloc does beside it. REMUS_LINUX: see iothreads/system.pxd."""

cdef extern from *:
    """
    #include <sys/mman.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #if defined(REMUS_LINUX) && defined(__GLIBC__)
    #include <malloc.h>
    #define remus_malloc_trim() malloc_trim(0)
    #if __GLIBC_PREREQ(2, 33)
    #define REMUS_MALLINFO2
    #endif
    #else
    #define remus_malloc_trim() 0
    #endif
    #ifdef REMUS_MALLINFO2
    static inline void remus_libc_memory(size_t *used, size_t *idle) {
        struct mallinfo2 info = mallinfo2();
        *used = info.uordblks + info.hblkhd;
        *idle = info.fordblks;
    }
    #else
    static inline void remus_libc_memory(size_t *used, size_t *idle) { *used = *idle = 0; }
    #endif
    static inline void remus_out_of_memory(size_t size) {
        fprintf(stderr, "Out Of Memory allocating %zu bytes!\\n", size);
        fflush(stderr);
        abort();
    }
    static inline void *remus_mmap(size_t size) {
        void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return p == MAP_FAILED ? NULL : p;
    }
    /* Elsewhere MADV_DONTNEED is advice: what was there may stay, and need not read as zero. */
    static inline void remus_drop(void *part, size_t size) {
    #ifdef REMUS_LINUX
        madvise(part, size, MADV_DONTNEED);
    #else
        if (mmap(part, size, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
            memset(part, 0, size);
    #endif
    }
    """
    int remus_malloc_trim() nogil                                      # malloc's idle memory goes back, where it can be told so
    void remus_libc_memory(size_t* used, size_t* idle) nogil           # malloc's; 0 where it does not say
    void remus_out_of_memory(size_t size) nogil
    void* remus_mmap(size_t size) nogil                                # zeroes; NULL: none left
    int munmap(void* address, size_t length) nogil
    void remus_drop(void* part, size_t size) nogil                     # whole pages of a mapping: they read as zero
