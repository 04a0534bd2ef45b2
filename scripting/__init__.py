"""Scripting: Lua scripts (EVAL) and libraries of functions (FCALL), fast and closed.

lua             the C functions of the Lua 5.1 that lupa carries; no LuaRuntime object of lupa is ever made, so no
                Python object can be reached from a script
sandbox         what a script finds in its globals, and why it cannot change it
interpreter     a Lua state: memory limit, sandbox, time limit
conversion      replies into Lua values and back
redis_api       the table `redis`; library_api: the one that a library finds while it is loaded
run_context     the script under way, and what its commands must pass
json, msgpack, pack, bits       the libraries that Redis ships; scratch: where they put text together
scripts         the cache of EVAL; functions: the registry of libraries; flags, declared: what both may declare
run, fast_eval  what EVAL and FCALL share around a call, and the short way for plain ones
commands_*      EVAL and its kin, SCRIPT, FUNCTION (dump: its payload)

Rules: code that Lua calls may be left by a longjmp, so it holds no Python reference while it calls Lua; what a script
shares with the next one is read-only; a script is one unit of propagation, and it is its effects that are propagated.
"""
