"""The same 200 tests on what a Python team can have in the place of a Redis: `./dev python -m perf.in_tests`.

`shop.py` is a small application, `checks.py` its tests, which are given a `client` and `connect()`, one more of them.
"""
