#!/bin/bash
#
# Gets you from a fresh Debian 12 to a working daemon in one command: installs
# what it needs, builds, and sends one event of every type through the daemon to
# a simulator of Heap. It never contacts Heap: nothing leaves this machine.

usage()
{
    cat <<'END'
Usage: deploy/quickstart.sh [--once]

Installs what it needs (on Debian 12; elsewhere it says what is missing), builds
the daemon, runs it against a simulator of Heap, sends one event of every type,
and prints the ledger. Then the daemon and the simulator keep running for you to
try, until you press Ctrl-C.

  --once   stop after the ledger; exit 0 if every event was received, and either
           is at the simulator exactly once or was dropped by a rule
END
}

set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1

once=no
case ${1:-} in
'') ;;
--once) once=yes ;;
--help | -h) usage; exit 0 ;;
*) usage >&2; exit 2 ;;
esac

work='' heapsim='' daemon=''

say()
{
    printf '\n== %s\n' "$*"
}

fail()
{
    printf 'quickstart: %s\n' "$*" >&2
    [ -n "$work" ] && [ -s "$work/currentsd.log" ] &&
        { echo "The last lines of the daemon's log:"
        tail -n 20 "$work/currentsd.log"; } >&2
    exit 1
}

# Whatever happens, stop what was started; the daemon first, as it delivers.
end()
{
    for pid in $daemon $heapsim; do
        kill "$pid" 2>/dev/null && wait "$pid"
    done
    [ -n "$work" ] && rm -rf "$work"
}

# await SECONDS COMMAND...: wait until the command succeeds.
await()
{
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $until ] || return 1
        sleep 0.1
    done
}

# counters FILE: print the counters at the top of a simulator's report, without
# those that are zero.
counters()
{
    sed 's/,* *"\(by_status\|apps\)".*//; s/[{}"]//g; s/: */ /g; s/, */, /g
        s/, [a-z_]* 0\b//g' "$1"
}

# ---- set up

# shellcheck source=packages.sh
. deploy/packages.sh
packages_need build || exit 1

say "Building (build/release)"
cmake --preset release --log-level=WARNING || fail "cannot configure"
cmake --build --preset release --target currentsd heapsim brazesim ||
    fail "cannot build"
bin=$PWD/build/release

# ---- start

# The settings of the caller's shell must not apply here.
for name in "${!CURRENTSD_@}"; do
    unset "$name"
done

trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

work=$(mktemp -d build/quickstart.XXXXXX) ||
    fail "cannot make a directory under build/"
work=$PWD/$work

say "Starting the simulator of Heap, and currentsd"
"$bin/heapsim" >"$work/heapsim.out" 2>&1 &
heapsim=$!
await 10 grep -q '^listening on ' "$work/heapsim.out" ||
    fail "heapsim did not start: $(cat "$work/heapsim.out")"
heap=http://$(sed -n 's/^listening on //p' "$work/heapsim.out")

export CURRENTSD_STATE_DIR=$work/state CURRENTSD_TOKEN=try-me
export CURRENTSD_HEAP_APP_ID=1234567890 CURRENTSD_HEAP_URL=$heap
export CURRENTSD_LISTEN=127.0.0.1:0 CURRENTSD_ADMIN=127.0.0.1:0
case $(stat -f -c %T "$work") in overlayfs | tmpfs | nfs)
    echo "(This tree is not on a real disk. For a trial that is fine, so this"
    echo "sets CURRENTSD_ALLOW_VOLATILE_STATE=yes.)"
    export CURRENTSD_ALLOW_VOLATILE_STATE=yes
esac
"$bin/currentsd" serve 2>"$work/currentsd.log" &
daemon=$!
started()
{
    grep -q ' serve: start ' "$work/currentsd.log" ||
        ! kill -0 $daemon 2>/dev/null
}
await 30 started || fail "currentsd did not start in time"
kill -0 $daemon 2>/dev/null || fail "currentsd did not start"
line=$(grep -m 1 ' serve: start ' "$work/currentsd.log")
field()
{
    sed -n "s/.* $1=\([^ ]*\).*/\1/p" <<<"$line"
}
ingest=http://127.0.0.1:$(field port)
admin=http://127.0.0.1:$(field admin_port)
echo "heapsim    $heap"
echo "currentsd  $ingest/currents, queue in $work/state"
echo "privacy   $(sed -n 's/.* serve: privacy destination=heap//p' \
    "$work/currentsd.log")"
echo "           (the settings keep, drop and hash change this: see README.md)"

# ---- send, as Braze does

say "Sending one event of every type, as Braze does (POST $ingest/currents)"
"$bin/currentsd" sample --all >"$work/events" || fail "cannot make events"
"$bin/brazesim" --url "$ingest/currents" --token "$CURRENTSD_TOKEN" \
    --mix any --deadline-s 60 --acked "$work/acked" "$work/events" \
    >"$work/braze" || fail "the events were not accepted: $(cat "$work/braze")"
counters "$work/braze"

# ---- wait until nothing is queued

settled()
{
    "$bin/currentsd" status --json >"$work/status" &&
        grep -q '"queued":0[,}]' "$work/status"
}
await 60 settled || fail "events are still queued: $(cat "$work/status")"

# ---- check that all of them are where they should be

say "The ledger of currentsd (currentsd ledger --by type --check)"
"$bin/currentsd" ledger --by type --check >"$work/ledger"
balanced=$?
cat "$work/ledger"

say "What the simulator of Heap counted ($heap/books)"
curl -sS --max-time 10 "$heap/books" >"$work/books" &&
    curl -sS --max-time 10 "$heap/keys" >"$work/keys" ||
    fail "the simulator does not answer"
counters "$work/books"

# An event is identified by event_type:id, here and at Heap.
sed -n 's/^{"event_type":"\([^"]*\)","id":"\([^"]*\)".*/\1:\2/p' \
    "$work/events" | sort >"$work/sent.sorted"
sort "$work/acked" >"$work/acked.sorted"
cut -f 1 "$work/keys" | sort >"$work/heap.sorted"
comm -23 "$work/sent.sorted" "$work/heap.sorted" >"$work/missing"
# What is missing, and what the ledger dropped, by type.
cut -d : -f 1 "$work/missing" | sort | uniq -c |
    awk '{print $2, $1}' >"$work/missing.types"
sed '1,/^dropped by rule/d' "$work/ledger" | awk 'NF == 0 {exit}
    {dropped[$(NF - 1)] += $NF}
    END {for (type in dropped) print type, dropped[type]}' |
    sort >"$work/dropped.types"

say "Was anything lost?"
sent=$(wc -l <"$work/sent.sorted")
[ "$sent" -gt 0 ] && [ "$sent" -eq "$(wc -l <"$work/events")" ] ||
    fail "the events that were sent are not all different"
cmp -s "$work/sent.sorted" "$work/acked.sorted" ||
    fail "the events that were sent and those that were accepted differ"
[ -z "$(uniq -d "$work/heap.sorted")" ] ||
    fail "at Heap more than once: $(uniq -d "$work/heap.sorted")"
[ -z "$(comm -13 "$work/sent.sorted" "$work/heap.sorted")" ] ||
    fail "events are at Heap that were never sent"
cmp -s "$work/missing.types" "$work/dropped.types" ||
    fail "events are neither at Heap nor dropped by a rule; by type:
$(diff "$work/missing.types" "$work/dropped.types")"
[ $balanced -eq 0 ] || fail "the ledger does not balance"
echo "No: of $sent events, one of every type," \
    "$(wc -l <"$work/heap.sorted") are at Heap exactly once, and" \
    "$(wc -l <"$work/missing") were dropped by a rule that the ledger names."
[ $once = yes ] && exit 0

# ---- the rest is yours

say "The daemon and the simulator keep running. Try them:"
cat <<END
curl -i $ingest/currents -H 'Authorization: Bearer $CURRENTSD_TOKEN' \\
    -d '{"events":[{"event_type":"users.behaviors.app.SessionStart",
         "id":"$(cat /proc/sys/kernel/random/uuid)","time":$(date +%s),
         "user":{"external_user_id":"try-me"},
         "properties":{"session_id":"s-1"}}]}'

status    curl $admin/status
          CURRENTSD_STATE_DIR=$work/state build/release/currentsd status
metrics   curl $admin/metrics
at Heap   curl $heap/books
          curl $heap/keys
log       tail -f $work/currentsd.log

Ctrl-C stops both, and deletes their state.
END
# Wait until one of them exits, or a signal comes.
wait -n $daemon $heapsim
fail "the daemon or the simulator exited unexpectedly"
