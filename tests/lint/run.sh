#!/bin/bash
#
# Rules of the house that a script can check. Each finding is one line,
# FILE:LINE: what and why; exit 1 if there is any.

set -u
cd "$(dirname "$0")/../.." || exit 1
failed=0

# lint NAME COMMAND...: run one and keep the result.
lint()
{
    local name=$1
    shift
    if "$@"; then
        echo "lint: $name: passed"
    else
        echo "lint: $name: FAILED"
        failed=1
    fi
}

# The first line of each file that clang-format would write otherwise.
format()
{
    local file line bad=0
    while IFS= read -r -d '' file; do
        line=$(clang-format "$file" | diff "$file" - | head -n 1)
        [ -z "$line" ] && continue
        echo "$file:${line%%[^0-9]*}: not as clang-format -i writes it"
        bad=1
    done < <(git ls-files -z --cached --others --exclude-standard \
        -- '*.c' '*.h')
    return $bad
}

shell_syntax()
{
    local file bad=0
    while IFS= read -r -d '' file; do
        bash -n "$file" || bad=1
    done < <(git ls-files -z --cached --others --exclude-standard \
        -- '*.sh' .ci/run)
    return $bad
}

for script in includes circles vendors words log documents; do
    lint "$script" /usr/bin/python3 "tests/lint/$script.py"
done
lint format format
lint shell shell_syntax
exit $failed
