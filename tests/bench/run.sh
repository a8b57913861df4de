#!/bin/bash
#
# Builds the release and prints one table: how fast and how small, beside
# yardsticks that were measured in the same run (bench.py says how). Prints
# and judges, but never fails on a figure: the machine may be busy.

usage()
{
    cat <<'END'
Usage: tests/bench/run.sh [--long | --queued N]

  --long        with 10,000,000 events queued instead of 1,000,000
  --queued N    with N events queued

CURRENTSD_BENCH_BUILD names a directory to build in (build/release), and
CURRENTSD_BENCH_DIR one for queues of several GB, on the disk to measure
(build/bench). The page cache is dropped before the cold start if that is
permitted.
END
}

set -eu
cd "$(dirname "$0")/../.."
queued=1000000
case ${1:-} in
'') ;;
--long) queued=10000000 ;;
--queued) queued=${2:?--queued N} ;;
--help | -h) usage; exit 0 ;;
*) usage >&2; exit 2 ;;
esac

build=${CURRENTSD_BENCH_BUILD:-$PWD/build/release}
mkdir -p "$build"
if ! { cmake --preset release -B "$build" && cmake --build "$build" --target \
    currentsd heapsim bench_load bench_yardstick; } >"$build/bench.log" 2>&1
then
    cat "$build/bench.log" >&2
    exit 1
fi
dir=${CURRENTSD_BENCH_DIR:-$PWD/build/bench}
unset CURRENTSD_BENCH_BUILD CURRENTSD_BENCH_DIR # unknown settings to currentsd
exec /usr/bin/python3 tests/bench/bench.py --build "$build" --dir "$dir" \
    --queued "$queued"
