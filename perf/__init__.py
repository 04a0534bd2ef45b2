"""Load tests, comparison with a peer, tuning of io-threads: `./dev bench`, `./dev tune`, `remus-benchmark`.

Owns: how a server is measured from outside (`server_under_test`), what is measured (`load`, `sweep`, `latency`,
`memory`, `startup`, `disk`, `idle`), what becomes of the figures (`results`, `goals`, `tables`, `readme`), the programs
that tie them (`compare`, `persistence`, `tune`, `profile`), what each command form costs (`forms`), our own load
generator (`benchmark`), loops over parts of the server (`micro`).
Rules: a server is a command line or an address, ours and the peer's alike; only `micro` imports anything of the server.
"""
