"""Scripting: Lua scripts (EVAL) and libraries of functions (FCALL), fast and closed.

`lua` finds the C functions of the Lua 5.1 that lupa carries; no LuaRuntime object of lupa is ever made, so no Python
object can be reached from a script. `interpreter` owns a Lua state: memory limit, sandbox, time limit. `conversion`
turns replies into Lua values and back; `redis_api` is the `redis` table; `json`, `msgpack`, `pack` and `bits` are the
libraries that Redis ships. `scripts` is the cache of EVAL, `functions` the registry of libraries, `run` what both do
around a call.

Rules: code that Lua calls may be left by a longjmp, so it holds no Python reference while it calls Lua; what a script
shares with the next one is read-only; a script is one unit of propagation, and it is its effects that are propagated.
"""
