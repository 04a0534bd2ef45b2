"""Load tests and comparison with a peer: `./dev bench`, or `python -m perf`.

Owns: how a server is measured from outside (`server_under_test`), the four things measured (`load`, `memory`,
`startup`, `idle`), what becomes of the figures (`results`, `tables`), and the program that ties them (`compare`).
Rules: imports nothing of the server, standard library only; a server is a command line, ours and the peer's alike.
"""
