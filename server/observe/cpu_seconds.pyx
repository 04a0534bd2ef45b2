# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Processor time, for INFO cpu: what the system says, without an object for each of the numbers that nobody asks for."""
from server.registry.number_places cimport reals_at

cdef extern from "sys/resource.h":
    struct timeval:
        long tv_sec, tv_usec
    struct rusage:
        timeval ru_utime, ru_stime
    int getrusage(int who, rusage* usage) nogil
    int RUSAGE_SELF, RUSAGE_CHILDREN

cdef extern from *:
    """
    #include <sys/resource.h>
    #ifdef RUSAGE_THREAD
    #define REMUS_RUSAGE_THREAD RUSAGE_THREAD
    #else
    #define REMUS_RUSAGE_THREAD RUSAGE_SELF
    #endif
    """
    int REMUS_RUSAGE_THREAD

FIELDS = ("sys", "user", "sys_children", "user_children", "sys_main_thread", "user_main_thread")


cdef class CpuSeconds:
    """Processor time in seconds: of the process, of the children that ended, of the main thread."""

    cdef readonly double sys, user, sys_children, user_children, sys_main_thread, user_main_thread


cdef CpuSeconds _model = CpuSeconds.__new__(CpuSeconds)
reals_at(_model, {
    "sys": <size_t>&_model.sys, "user": <size_t>&_model.user,
    "sys_children": <size_t>&_model.sys_children, "user_children": <size_t>&_model.user_children,
    "sys_main_thread": <size_t>&_model.sys_main_thread, "user_main_thread": <size_t>&_model.user_main_thread})


cdef inline double _seconds(timeval time) noexcept:
    return time.tv_sec + time.tv_usec * 1e-6


def cpu_seconds() -> CpuSeconds:
    """So far; the main thread asks."""
    cdef CpuSeconds cpu = CpuSeconds.__new__(CpuSeconds)
    cdef rusage usage
    getrusage(RUSAGE_SELF, &usage)
    cpu.sys, cpu.user = _seconds(usage.ru_stime), _seconds(usage.ru_utime)
    getrusage(RUSAGE_CHILDREN, &usage)
    cpu.sys_children, cpu.user_children = _seconds(usage.ru_stime), _seconds(usage.ru_utime)
    getrusage(REMUS_RUSAGE_THREAD, &usage)
    cpu.sys_main_thread, cpu.user_main_thread = _seconds(usage.ru_stime), _seconds(usage.ru_utime)
    return cpu
