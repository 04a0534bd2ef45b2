# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A turn of an I/O thread: messages, replies out, sockets in, hand over, wake the main thread once; else sleep.

    messages from the main thread  ->  write what they brought  ->  finish what was left over
          ^                                                                   |
          |                              sockets that are ready  <------------+
          +---  sleep, if there was nothing at all  ---  wake the main thread

Before it sleeps it asks the poller without waiting if it has brought requests or replies: those often cross, and a thread
that is seen awake costs the main thread no system call.
"""
from libc.stdint cimport uint32_t

from iothreads.lane cimport (lane_again, lane_clock, lane_flush, lane_handle, lane_home, lane_ready, lane_write_dirty)
from iothreads.poller cimport poller_wait
from iothreads.ring cimport (Message, exchange, fence, get_up, lie_down, load_relaxed, queue_empty, ring_empty, ring_pop,
                             wake)

cdef extern from "<pthread.h>" nogil:
    ctypedef unsigned long pthread_t
    int pthread_create(pthread_t*, const void*, void* (*)(void*) noexcept nogil, void*)
    int pthread_join(pthread_t, void**)
cdef extern from "<signal.h>" nogil:
    ctypedef struct sigset_t:
        pass
    int sigfillset(sigset_t*)
    int pthread_sigmask(int, const sigset_t*, sigset_t*)
    int SIG_SETMASK

cdef enum:
    MESSAGES_PER_TURN = 1024


cdef int take_messages(Lane* lane) noexcept nogil:
    cdef Message m
    cdef int n = 0
    while n < MESSAGES_PER_TURN and ring_pop(lane.to_lane, &m):
        lane_handle(lane, &m)
        n += 1
    if n > 0:
        fence()
        if load_relaxed(&lane.to_lane.waits) and exchange(&lane.to_lane.waits, 0):
            lane.urgent = True         # the main thread has more for us than the ring could take
    return n


cdef void take_all_messages(Lane* lane) noexcept nogil:
    while take_messages(lane) == MESSAGES_PER_TURN:
        pass


cdef void hand_over(Lane* lane) noexcept nogil:
    lane_flush(lane)
    if lane.urgent:
        lane.urgent = False
        wake(lane.main)


cdef int sleep(Lane* lane) noexcept nogil:
    """Sleeps until a socket or the main thread wants something; returns what the poller found."""
    cdef int n = 0
    lie_down(&lane.sleeper)
    if ring_empty(lane.to_lane) and (lane_flush(lane) or not queue_empty(&lane.queue)):
        lane_clock(lane, True)
        n = poller_wait(&lane.poller, -1)
        lane_clock(lane, False)
    get_up(&lane.sleeper)
    return n


cdef void turn(Lane* lane) noexcept nogil:
    cdef int i, n = 0, messages = take_messages(lane)
    cdef bint stalled
    lane_write_dirty(lane)
    if lane.again.size:
        lane_again(lane)
    hand_over(lane)
    if messages or lane.again.size or lane.stop or lane.stats.batches != lane.looked_for:
        lane.looked_for = lane.stats.batches
        n = poller_wait(&lane.poller, 0)
    stalled = not queue_empty(&lane.queue)
    if n == 0 and messages == 0 and not lane.stop and (lane.again.size == 0 or stalled):
        n = sleep(lane)
    if n > 0 and not ring_empty(lane.to_lane):
        take_all_messages(lane)        # what is ready may have come by one of them
        lane_write_dirty(lane)         # before the end of a half-closed socket is read, which ends it
    for i in range(n):
        lane_ready(lane, lane.poller.ids[i], lane.poller.masks[i])
    if n > 0:
        hand_over(lane)


cdef void* lane_main(void* argument) noexcept nogil:
    cdef Lane* lane = <Lane*>argument
    while not lane.stop:
        turn(lane)
    lane_flush(lane)
    return NULL


cdef int thread_start(unsigned long* thread, void* (*run)(void*) noexcept nogil, void* argument) noexcept nogil:
    cdef sigset_t everything, before
    cdef int error
    sigfillset(&everything)
    pthread_sigmask(SIG_SETMASK, &everything, &before)
    error = pthread_create(<pthread_t*>thread, NULL, run, argument)
    pthread_sigmask(SIG_SETMASK, &before, NULL)
    return error


cdef void thread_join(unsigned long thread) noexcept nogil:
    pthread_join(<pthread_t>thread, NULL)          # a pointer, on some systems
