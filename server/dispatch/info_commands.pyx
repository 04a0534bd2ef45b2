# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""INFO about commands: commandstats, latencystats. Kept in the commands' records."""
from libc.stdint cimport uint64_t

from server.dispatch.record cimport LATENCY_BUCKETS, Record, bucket_end
from server.registry.text_writer cimport (Text, text_add, text_add_bytes, text_add_decimal, text_add_number, text_begin,
                                          text_end, text_made)

from server.config.config import Config
from server.dispatch.record import used_records
from server.registry.info_sections import COMMANDSTATS, LATENCYSTATS


cdef int _add_command(Text* text, Record r) except -1:
    cdef uint64_t spent = r.nanoseconds // 1000
    text_add(text, "calls=", 6)
    text_add_number(text, r.calls)
    text_add(text, ",usec=", 6)
    text_add_number(text, spent)
    text_add(text, ",usec_per_call=", 15)
    text_add_decimal(text, <double>spent / <double>r.calls if r.calls else 0, 2)
    text_add(text, ",rejected_calls=", 16)
    text_add_number(text, r.rejected)
    text_add(text, ",failed_calls=", 14)
    return text_add_number(text, r.failed)


@COMMANDSTATS.of(Config).family
def command_lines(_) -> list[tuple[str, str]]:
    """cmdstat_get:calls=...; commands never called are left out."""
    cdef Record r
    cdef Text text
    cdef list lines = []
    text_begin(&text)
    try:
        for r in used_records():
            text.used = 0
            _add_command(&text, r)
            lines.append((f"cmdstat_{r.command.name}", text_made(&text).decode("ascii")))
        return lines
    finally:
        text_end(&text)


cdef int _add_percentiles(Text* text, Record r, list wanted) except -1:
    """Each is the upper bound of the first class up to which there are so many calls."""
    cdef uint64_t[LATENCY_BUCKETS] seen
    cdef uint64_t total = 0
    cdef int i, last = 0
    cdef bytes label
    cdef double percent
    for i in range(LATENCY_BUCKETS):
        total += r.latency[i]
        seen[i] = total
        if r.latency[i]:
            last = i
    for label, percent in wanted:
        i = 0
        while i < last and (r.latency[i] == 0 or <double>seen[i] < <double>total * percent / 100):
            i += 1
        text_add_bytes(text, label)
        text_add_decimal(text, <double>bucket_end(i) / 1000, 3)
    return 0


@LATENCYSTATS.of(Config).family
def latency_lines(config) -> list[tuple[str, str]]:
    """latency_percentiles_usec_get:p50=0.5,p99=...; only with latency-tracking."""
    cdef list wanted = [(f",p{float(percent):g}=".encode(), float(percent))
                        for percent in config.latency_tracking_info_percentiles]
    cdef list lines = []
    cdef Record r
    cdef Text text
    if not config.latency_tracking:
        return lines
    if wanted:
        wanted[0] = (wanted[0][0][1:], wanted[0][1])       # no comma before the first
    text_begin(&text)
    try:
        for r in used_records():
            if r.latency != NULL:
                text.used = 0
                _add_percentiles(&text, r, wanted)
                lines.append((f"latency_percentiles_usec_{r.command.name}", text_made(&text).decode("ascii")))
        return lines
    finally:
        text_end(&text)
