"""Remus in the hands of other programs: in their tests, and beside their own process.

Public names are those of `remus_server`; here is what stands behind them. This package is imported into other people's
processes, so it imports nothing of the server, and pytest, redis-py and asyncio only where they are wanted.
"""
