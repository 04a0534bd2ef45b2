#!/bin/sh
# Builds the whole server with a sanitizer, in a folder of its own that is removed at the end, and runs tests with it.
#   tests/fuzz/sanitize.sh [address|thread] [pytest options]        ./dev sanitize [address|thread] ...
# address: ASan and UBSan. The structures, the fuzzing and the unit tests in one instrumented process, then the commands'
#          tests against an instrumented server.
# thread:  TSan. The hand-off in one process, then fuzzing, the commands' tests and redis-benchmark (where it is
#          installed) against a server with four I/O threads.
# Environment:
#   PYTHON               the interpreter (with pytest, hypothesis, redis, Cython, setuptools)
#   REMUS_SANITIZE_TREE  a folder to build in that is kept: the next run compiles only what changed
# The interpreter itself is not instrumented, so the runtime is preloaded, and leaks (Python's own) are not looked for.
# A report is a file in the folder `reports`; all are printed at the end, and the exit status is 1 when there was one or
# a test failed.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
kind=${1:-address}
[ $# -eq 0 ] || shift
python=$(command -v "${PYTHON:-python3}")
case $kind in
    address) list=address,undefined; runtime=$(gcc -print-file-name=libasan.so) ;;
    thread) list=thread; runtime=$(gcc -print-file-name=libtsan.so) ;;
    *) echo "address or thread?" >&2; exit 2 ;;
esac
case $runtime in
    /*) ;;
    *) echo "gcc has no $runtime" >&2; exit 2 ;;
esac

if [ -n "${REMUS_SANITIZE_TREE:-}" ]; then
    tree=$REMUS_SANITIZE_TREE
    mkdir -p "$tree"
else
    tree=$(mktemp -d "${TMPDIR:-/tmp}/remus-sanitize.XXXXXX")
    trap 'rm -rf "$tree"' EXIT
    trap 'exit 130' INT TERM HUP
fi

# ---- the sources, with the times they have (what is built already stays), and the build
cd "$root"
rm -rf "$tree/tests" "$tree/reports"
tar -cf - --exclude=__pycache__ --exclude='*.so' --exclude='*.c' \
    $(ls -d server iothreads scripting metrics perf tests setup.py setup.cfg pyproject.toml remus_server.py \
        redis.conf README.md LICENSE MANIFEST.in dev 2>/dev/null) | tar -xf - -C "$tree"
cd "$tree"
echo "-- building with -fsanitize=$list (takes minutes)" >&2
REMUS_SANITIZE=$list "$python" setup.py -q build >build.log 2>&1 || { tail -n 30 build.log >&2; exit 1; }
lib=$tree/build/sanitize-$(echo "$list" | tr , -)/lib
# The tests run from there, beside the instrumented rooms. What is about packaging and the clone has no place in it.
rm -rf "$lib/tests"
cp -r tests pyproject.toml redis.conf "$lib/"
rm -rf "$lib/tests/architecture" "$lib/tests/unit/test_packaging.py" "$lib/tests/unit/perf" "$lib/tests/unit/registry"

# ---- how the sanitizers behave
mkdir reports
common="log_path=$tree/reports/report:detect_leaks=0:exitcode=66"
# A malloc that fails returns NULL, as the C library's would: tests ask for absurd sizes. Signals are the server's:
# DEBUG SEGFAULT is tested; what the instrumentation finds is reported without a signal.
export ASAN_OPTIONS="$common:allocator_may_return_null=1:handle_segv=0:handle_abort=0:quarantine_size_mb=64"
export UBSAN_OPTIONS="log_path=$tree/reports/report:print_stacktrace=1"
export TSAN_OPTIONS="$common:halt_on_error=0:handle_segv=0:handle_abort=0:history_size=4"
export PYTHONMALLOC=malloc REMUS_SANITIZED=1
# TSan cannot live with the wide address randomisation of newer kernels.
plain_addresses=
[ "$kind" = thread ] && setarch -R true 2>/dev/null && plain_addresses="setarch -R"

failed=
cd "$lib"
step() { # NAME COMMAND...: run it, remember that it failed
    echo "-- $1" >&2
    name=$1
    shift
    status=0
    "$@" || status=$?
    # 5: pytest's options chose none of these tests
    [ $status -eq 0 ] || [ $status -eq 5 ] || failed="$failed${failed:+, }$name"
}
# Hypothesis's profile `ci`: no deadlines, the same examples every time.
pytest="-X faulthandler -m pytest -q -p no:cacheprovider --hypothesis-profile=ci"
inside() { # pytest with the instrumented modules in its own process, and in the servers that it starts
    # shellcheck disable=SC2086
    env LD_PRELOAD="$runtime" $plain_addresses "$python" $pytest --capture=sys -m "not peer" "$@"
}
outside() { # plain pytest, with this clone's plain modules, against an instrumented server
    # shellcheck disable=SC2086
    (cd "$root" && REMUS_SERVER_COMMAND="env LD_PRELOAD=$runtime $plain_addresses $python $lib/remus_server.py" \
        "$python" $pytest "$@")
}

if [ $kind = address ]; then
    step "structures and units" inside tests/properties tests/unit tests/perf/test_benchmark_replies.py \
        tests/perf/test_benchmark_histogram.py tests/perf/test_benchmark_templates.py "$@"
    step "fuzzing" outside tests/fuzz/test_mixed_load.py "$@"
    step "fuzzing in one process" inside tests/fuzz --ignore=tests/fuzz/test_mixed_load.py "$@"
    # shellcheck disable=SC2046
    step "commands" outside $(cd "$root" && ls -d tests/commands tests/persistence tests/replication tests/scripting 2>/dev/null) "$@"
else
    step "hand-off" inside tests/unit/iothreads tests/unit/dispatch/test_connector.py tests/fuzz --ignore=tests/fuzz/test_mixed_load.py "$@"
    step "fuzzing" outside tests/fuzz/test_mixed_load.py "$@"
    REMUS_SERVER_ARGUMENTS="--io-threads 4"
    export REMUS_SERVER_ARGUMENTS
    # shellcheck disable=SC2046
    step "commands" outside $(cd "$root" && ls -d tests/commands tests/persistence tests/replication tests/scripting 2>/dev/null) "$@"
    if command -v redis-benchmark >/dev/null; then
        step "redis-benchmark" outside tests/fuzz/sanitized_benchmark.py "$@"
    fi
fi

# ---- what was found
found=$(find "$tree/reports" -type f | wc -l)
if [ "$found" -gt 0 ]; then
    echo "-- $found processes reported something:" >&2
    cat "$tree"/reports/* >&2
    grep -h '^SUMMARY\|runtime error' "$tree"/reports/* | sort | uniq -c | sort -rn >&2
fi
[ -z "$failed" ] || echo "-- failed: $failed" >&2
[ -z "$failed" ] && [ "$found" -eq 0 ] && echo "-- no report" >&2
