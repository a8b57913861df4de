#!/bin/bash
#
# Installs what is needed, builds, and runs every test:
#
#   lint        the rules of the house that a script can check
#   unit        cmocka, one program a file; the corpora of tests/fuzz
#   daemon      pytest: the real binary, real sockets, the simulators
#   package     the Debian package: lintian; in the long run, installed,
#               upgraded, run by systemd and purged in a Debian of its own
#   fault       the queue under power cuts, failing calls, no memory, damage
#   analyze     gcc -fanalyzer and cppcheck; valgrind on the unit tests
#
# unit and daemon run twice: as released, and under AddressSanitizer and
# UndefinedBehaviorSanitizer. The long run does so with fault, does all of it
# under ThreadSanitizer, and reads the sources with clang-tidy too; the long
# variants of the tests are those as released. A failed part does not keep the
# others from running; the summary tells, and the exit code is 1.

usage()
{
    cat <<'END'
Usage: tests/run.sh [--quick | --long]

Installs what is needed (Debian 12; elsewhere says what is missing), builds,
and runs every test, in release and under ASan+UBSan.

  --quick   lint and unit tests only
  --long    the long variants; the fault tests under ASan+UBSan; all tests
            under TSan; clang-tidy; unit tests with the other compiler (clang)

Logs are in build/logs. To run one test of the daemon by hand:

  CURRENTSD_BUILD=build/dev /usr/bin/python3 -m pytest tests/daemon -k NAME
END
}

set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1

how=usual
case ${1:-} in
'') ;;
--quick | --long) how=${1#--} ;;
--help | -h) usage; exit 0 ;;
*) usage >&2; exit 2 ;;
esac

# shellcheck source=../deploy/packages.sh
. deploy/packages.sh
needs=(build package tests)
[ $how = long ] && needs+=(long)
packages_need "${needs[@]}" || exit 1

logs=build/logs
mkdir -p $logs
summary=()
passed=0 failed=0 skipped=0
started=$SECONDS

# number REGEX FILE: the sum of the numbers that stand before REGEX.
number()
{
    grep -oE "[0-9]+ $1" "$2" | awk '{sum += $1} END {print sum + 0}'
}

# part NAME COMMAND...: run one part, keep its log, count its tests.
part()
{
    local name=$1 log=$logs/${1// /-}.log since=$SECONDS status bad good
    shift
    printf '\n==== %s\n' "$name"
    "$@" 2>&1 | tee "$log"
    status=$?
    case $name in
    lint | analyze*)
        good=$(grep -cE '^(lint|analyze): .*: passed$' "$log")
        bad=$(grep -cE '^(lint|analyze): .*: FAILED$' "$log")
        ;;
    unit* | fault*)
        bad=$(number 'tests failed out of' "$log")
        good=$(($(grep -oE 'out of [0-9]+$' "$log" | tail -n 1 |
            grep -oE '[0-9]+' || echo 0) - bad))
        ;;
    daemon* | package)
        tail -n 1 "$log" >"$log.last"
        good=$(number passed "$log.last")
        bad=$(($(number failed "$log.last") + $(number error "$log.last")))
        skipped=$((skipped + $(number skipped "$log.last")))
        ;;
    *)
        good=0 bad=0
        ;;
    esac
    # What failed without counting a test, as a build does, is one failure;
    # so is a part that found nothing to run.
    if [ $status -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
    fi
    passed=$((passed + good)) failed=$((failed + bad))
    summary+=("$(printf '%-16s %5d passed %4d failed %6d s' "$name" \
        "$good" "$bad" $((SECONDS - since)))")
    [ "$bad" -eq 0 ]
}

build()
{
    cmake --preset "$1" && "${launch[@]}" cmake --build --preset "$1"
}

unit()
{
    "${launch[@]}" ctest --test-dir "build/$1" -L 'unit|fuzz' -j 2 \
        --output-on-failure --no-tests=error
}

fault()
{
    local status
    "${launch[@]}" ctest --test-dir "build/$1" -L fault -j 2 \
        --output-on-failure --no-tests=error
    status=$?
    # How much was tried: ctest keeps it to itself if all is well.
    grep -E '^power cuts: |^(flipped bits|cut off|garbage): |[0-9]+ trials' \
        "build/$1/Testing/Temporary/LastTest.log"
    return $status
}

daemon()
{
    # Several at once, because most of them wait: for a cool-down, a back-off.
    # The limit is for a test that hangs, far above what it takes.
    CURRENTSD_BUILD=$PWD/build/$1 timeout --signal=INT "$limit" \
        "${launch[@]}" "$PYTHON" -m pytest -n 4 -q -ra --tb=short \
        --durations=5 tests/daemon
}

# On the queue's second engine, those tests that are not about the file.
daemon_memory()
{
    local -x CURRENTSD_ENGINE=memory
    daemon "$1"
}

package()
{
    CURRENTSD_BUILD=$PWD/build/$1 timeout --signal=INT "$limit" \
        "$PYTHON" -m pytest -q -ra --tb=short --durations=5 tests/package
}

analyze()
{
    part "analyze $1" tests/analyze/run.sh "$1"
}

# TSan needs a place of its own in memory, and does not start where the kernel
# randomises addresses by more than this.
tsan()
{
    local launch=() bits=/proc/sys/vm/mmap_rnd_bits
    if [ -r $bits ] && [ "$(<$bits)" -gt 28 ]; then
        launch=(setarch -R)
    fi
    part 'build tsan' build tsan || return
    part 'unit tsan' unit tsan
    part 'daemon tsan' daemon tsan
    part 'fault tsan' fault tsan
}

launch=() # what programs are started by
# The first race ends a program, else kill -9 would keep it from telling.
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
limit=30m
[ $how != long ] || limit=6h

# The long variants as released; what is instrumented is slow enough.
as_released()
{
    if [ $how = long ]; then
        local -x CURRENTSD_LONG=1
    fi
    part 'build release' build release || return
    part 'unit release' unit release
    [ $how != quick ] || return
    part 'daemon release' daemon release
    part 'daemon memory' daemon_memory release
    part package package release
    part 'fault release' fault release
}

sanitized()
{
    part 'build dev' build dev || return
    part 'unit dev' unit dev
    [ $how = quick ] || part 'daemon dev' daemon dev
}

part lint tests/lint/run.sh
as_released
sanitized
if [ $how != quick ]; then
    analyze gcc
    analyze cppcheck
    analyze valgrind
fi
if [ $how = long ]; then
    part 'fault dev' fault dev
    analyze clang-tidy
    part 'build clang' build clang && part 'unit clang' unit clang
    tsan
fi

printf '\n==== summary (%d s)\n' $((SECONDS - started))
printf '%s\n' "${summary[@]}"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
