"""Seeing inside: the log, counters, slow log, latency events, memory accounting, crash reports.

log, slowlog, latency, stats                    what is told and counted while the server works
latency_advice, memory_advice, sparkline        LATENCY DOCTOR, MEMORY DOCTOR, LATENCY GRAPH
memory_account, seams, cpu_seconds, process     bytes by what they are for; what the system says of this process
hot_keys, histogram, percentiles                keys with most accesses; classes that are powers of two
crash, crash_handler                            the report of a panic, and of a fatal signal
internal_errors                                 what fails by a mistake of ours: counted, logged, answered
info                                            what INFO tells of all that
debug_settings                                  switches that only DEBUG turns

Called by every room above it; looks at numbers that others keep, and changes nothing of the data.
"""
