#!/bin/bash
#
# Looks for mistakes without a test that names them:
#
#   gcc          gcc -fanalyzer, the preset analyze
#   clang-tidy   the checks of .clang-tidy
#   cppcheck     with the .cfg and the .txt beside this script
#   valgrind     memcheck of the unit tests of build/release
#
# The first three read the daemon and the simulators, not the tests: they do
# not know that a failed assertion of cmocka does not return. Each source, or
# program, is one line that says whether it passed; exit 1 if one did not.

set -u -o pipefail
cd "$(dirname "$0")/../.." || exit 1
here=tests/analyze
jobs=$(nproc)

# result NAME STATUS: one line; returns the status.
result()
{
    if [ "$2" -eq 0 ]; then
        echo "analyze: $1: passed"
    else
        echo "analyze: $1: FAILED"
    fi
    return "$2"
}

gcc_run()
{
    cmake --preset analyze && cmake --build --preset analyze -- -k 0
}

# It reads the commands of the preset dev, since clang knows no -fanalyzer.
clang_tidy_run()
{
    cmake --preset dev && printf '%s\0' "${sources[@]}" |
        xargs -0 -n 8 -P "$jobs" clang-tidy --quiet -p build/dev 2>&1 |
        sed '/ warnings* generated\.$/d'
}

cppcheck_run()
{
    cppcheck -j "$jobs" --quiet --std=c11 -I . -D_GNU_SOURCE \
        -DCURRENTSD_VERSION='""' --error-exitcode=1 --inline-suppr \
        --enable=warning,style,performance,portability \
        --library=$here/cppcheck.cfg \
        --suppressions-list=$here/cppcheck.txt \
        --template='{file}:{line}: {severity}: {message} [{id}]' \
        "${sources[@]}"
}

# sources_judge COMMAND: run it over all sources; a source that it says
# something about did not pass.
sources_judge()
{
    local log=build/$tool.log source status
    mapfile -t sources < <(git ls-files --cached --others --exclude-standard \
        -- {base,schema,queue,server,forwarder,daemon,cli,tests/sim}/'*.c')
    "$1" 2>&1 | tee "$log"
    status=$?
    for source in "${sources[@]}"; do
        ! grep -qE "^($PWD/)?$source:[0-9:]+ [a-z ]+: " "$log"
        result "$source" $? || status=1
    done
    return $status
}

# program_judge PROGRAM: what it says is told only if it did not pass.
program_judge()
{
    local said status=0
    said=$(valgrind --quiet --error-exitcode=99 --leak-check=full \
        --show-leak-kinds=definite --errors-for-leak-kinds=definite \
        "$1" 2>&1) || { status=1; echo "$said"; }
    result "${1##*/}" $status
}

programs_judge()
{
    export -f program_judge result
    export CURRENTSD_SHORT=1
    printf '%s\0' build/release/test_* |
        xargs -0 -n 1 -P "$jobs" bash -c 'program_judge "$1"' program ||
        return 1
}

tool=${1:-}
mkdir -p build
case $tool in
gcc) sources_judge gcc_run ;;
clang-tidy) sources_judge clang_tidy_run ;;
cppcheck) sources_judge cppcheck_run ;;
valgrind) programs_judge ;;
*)
    echo "Usage: $0 gcc | clang-tidy | cppcheck | valgrind" >&2
    exit 2
    ;;
esac
