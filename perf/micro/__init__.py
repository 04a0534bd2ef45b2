"""Micro-benchmarks: `./dev bench micro`, or `python -m perf.micro` (needs pyperf, the extra `bench`).

Owns: loops over the server's native parts without a server around them (`resp`: parser and writer; `structures`: the
keyspace table and every structure), their names and data (`benchmarks`), and the program that hands them to pyperf
(`__main__`).
Called by: people who cut a hot path and want to know which part of it became cheaper.
Rules: data are made before the clock starts and are equal in each run; each function takes pyperf's loop count and
returns seconds; one loop is the number of operations that `benchmarks` names, so figures are per operation.
"""
