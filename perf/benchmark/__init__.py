"""remus-benchmark, a load generator that is not the bottleneck; and the same from Python:

    from perf.benchmark.options import Options
    from perf.benchmark.session import run
    result = run(Options(port=7000, mix="get:9,set:1", key_space=100_000, pipeline=16, duration=5))
    result.rate, result.percentile(99.9), result.cpu_per_million, result.to_json()

Owns: the options (`options`, `sizes`, `templates`, `command_line`), the run (`session`), its outcome (`result`,
`report`, `files`), and the native part: `replies` counts replies in any pieces, `request` writes requests, `draw` draws
keys and sizes, `histogram` keeps latencies, `worker` is a thread of load, `engine` shows it to Python, `secure` is a
connection through TLS until a worker takes it.
Rules: works against any server that speaks RESP, so it knows nothing of ours (it shares poller and transports of
`iothreads` only); what a worker does needs no GIL and no lock; the standard library is enough.
"""
