#!/bin/sh
# Builds the native modules with a sanitizer, out of tree, and runs the fuzz and hand-off tests with it.
#   tests/fuzz/sanitize.sh [address|thread] [pytest arguments]
# The interpreter itself is not instrumented, so the runtime is preloaded and leaks (Python's own) are not looked for.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
kind=${1:-address}
[ $# -gt 0 ] && shift
python=${PYTHON:-python3}
case $kind in
    address) list=address,undefined; runtime=$(gcc -print-file-name=libasan.so) ;;
    thread) list=thread; runtime=$(gcc -print-file-name=libtsan.so) ;;
    *) echo "address or thread?" >&2; exit 2 ;;
esac
tree=${TMPDIR:-/tmp}/remus-sanitize-$kind
include=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
suffix=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
rm -rf "$tree"
mkdir -p "$tree/iothreads" "$tree/tests/fuzz" "$tree/tests/unit"
cp "$root"/iothreads/*.py "$root"/iothreads/*.pyx "$root"/iothreads/*.pxd "$tree/iothreads/"
cp "$root"/tests/fuzz/test_resp_reader*.py "$tree/tests/fuzz/"
cp -r "$root/tests/unit/iothreads" "$tree/tests/unit/"
cd "$tree"
for source in iothreads/*.pyx; do
    name=${source%.pyx}
    "$python" -m cython -3 "$source" -o "$name.c"
    gcc -O1 -g -fno-omit-frame-pointer "-fsanitize=$list" -fno-sanitize-recover=undefined -fPIC -shared -w \
        -I"$include" "$name.c" -o "$name$suffix" -lpthread
done
export LD_PRELOAD="$runtime"
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=0:exitcode=66
export PYTHONMALLOC=malloc REMUS_SANITIZED=1
exec "$python" -X faulthandler -m pytest -q --import-mode=importlib --capture=sys -p no:cacheprovider tests "$@"
