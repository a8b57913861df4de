#!/bin/bash
#
# Gets you from a fresh Debian 12 to a working daemon in one command: installs
# what it needs, builds, and runs both halves in one daemon. Events go from a
# simulator of Braze to one of Heap, and changes of segments go the other way.
# It never contacts Braze or Heap: nothing leaves this machine.

usage()
{
    cat <<'END'
Usage: deploy/quickstart.sh [--once]

Installs what it needs (on Debian 12; elsewhere it says what is missing), builds
the daemon, and runs it between simulators of Braze and Heap: one event of every
type goes from Braze to Heap, and 3,000 changes of segments go from Heap to
Braze. Prints the ledger, and compares what was sent with what stands at the
simulators. Then the daemon and the simulators keep running for you to try,
until you press Ctrl-C.

  --once   stop after that. Exit 0 if every event was received, and either is at
           Heap exactly once or was dropped by a rule; and if each membership at
           Braze is what Heap said last. Else exit 1
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

work='' heapsim='' audiencesim='' daemon=''

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
    for pid in $daemon $heapsim $audiencesim; do
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

# started NAME: wait for a simulator, and set $url to where it listens.
started()
{
    await 10 grep -q '^listening on ' "$work/$1.out" ||
        fail "$1 did not start: $(cat "$work/$1.out")"
    url=http://$(sed -n 's/^listening on //p' "$work/$1.out")
}

# tell TEXT...: print a paragraph that fits a terminal.
tell()
{
    fold -s -w 80 <<<"$*"
}

# counters FILE: print the counters at the top of a simulator's report, without
# those that are zero.
counters()
{
    sed 's/,* *"\(by_status\|apps\|violations\)".*//; s/[{}"]//g; s/: */ /g
        s/, */, /g; s/, [a-z_]* 0\b//g' "$1"
}

# none FILE WHAT: fail if the file has any lines.
none()
{
    [ ! -s "$1" ] || fail "$2; the first of $(wc -l <"$1"):
$(head -n 5 "$1")"
}

# ---- set up

# shellcheck source=packages.sh
. deploy/packages.sh
packages_need build || exit 1

say "Building (build/release)"
cmake --preset release --log-level=WARNING || fail "cannot configure"
cmake --build --preset release --target \
    currentsd heapsim brazesim segmentsim audiencesim || fail "cannot build"
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

say "Starting the simulators that receive, and currentsd between them"
"$bin/heapsim" >"$work/heapsim.out" 2>&1 &
heapsim=$!
"$bin/audiencesim" --api-key try-me >"$work/audiencesim.out" 2>&1 &
audiencesim=$!
started heapsim
heap=$url
started audiencesim
braze=$url

# Nothing of an installation on this machine is used.
export CURRENTSD_CONFIG=/dev/null CURRENTSD_ENV_FILE=/dev/null
export CURRENTSD_STATE_DIR=$work/state
# Events: Braze posts with this token, and they go to this environment of Heap.
export CURRENTSD_TOKEN=a-token-to-try-it
export CURRENTSD_HEAP_APP_ID=1234567890 CURRENTSD_HEAP_URL=$heap
# Segments: Heap signs with this secret, and they go to Braze with this key. The
# simulator of Braze applies changes in order, so that two changes of a member
# need no pause between them.
export CURRENTSD_SEGMENTS_SECRET=a-secret-to-try-it
export CURRENTSD_BRAZE_URL=$braze CURRENTSD_BRAZE_API_KEY=try-me
export CURRENTSD_BRAZE_HOLD=0
export CURRENTSD_LISTEN=127.0.0.1:0 CURRENTSD_ADMIN=127.0.0.1:0
export CURRENTSD_ADMIN_TOKEN=an-admin-token-to-try-it
case $(stat -f -c %T "$work") in overlayfs | tmpfs | nfs)
    echo "(This tree is not on a real disk. For a trial that is fine, so this"
    echo "sets CURRENTSD_ALLOW_VOLATILE_STATE=yes.)"
    export CURRENTSD_ALLOW_VOLATILE_STATE=yes
esac
: >"$work/currentsd.log"
"$bin/currentsd" serve 2>>"$work/currentsd.log" &
daemon=$!
serving()
{
    grep -q ' event=start version=' "$work/currentsd.log" ||
        ! kill -0 $daemon 2>/dev/null
}
await 30 serving || fail "currentsd did not start in time"
kill -0 $daemon 2>/dev/null || fail "currentsd did not start"
address()
{
    sed -n "s/.* event=$1 address=//p" "$work/currentsd.log"
}
ingest=http://$(address listen)
admin=http://$(address admin)
cat <<END
currentsd    $ingest, queue in $work/state
events       Braze -> $ingest/currents -> Heap, $heap
segments     Heap -> $ingest/segments -> Braze, $braze
privacy     $(sed -n 's/.* event=privacy destination=heap//p' \
    "$work/currentsd.log")
             (the settings keep, drop and hash change this: see deploy/MAPPING.md)
END

# ---- send, as Braze and Heap do

say "Events: Braze sends one of every type (POST $ingest/currents)"
"$bin/currentsd" sample --all >"$work/events" || fail "cannot make events"
"$bin/brazesim" --url "$ingest/currents" --token "$CURRENTSD_TOKEN" \
    --mix any --deadline-s 60 --acked "$work/acked" "$work/events" \
    >"$work/brazesim" ||
    fail "the events were not accepted: $(cat "$work/brazesim")"
tell "$(counters "$work/brazesim")"

say "Segments: Heap sends who entered and who left (POST $ingest/segments)"
"$bin/segmentsim" --url "$ingest/segments" \
    --secret "$CURRENTSD_SEGMENTS_SECRET" --segments 3 --first-percent 40 \
    --churn 300 --page 100 --changes 3000 --late-percent 10 \
    --duplicate-percent 10 --deadline-s 60 --truth "$work/truth" \
    >"$work/segmentsim" ||
    fail "the pages were not accepted: $(cat "$work/segmentsim")"
tell "$(counters "$work/segmentsim")"

# ---- wait until nothing is queued

settled()
{
    "$bin/currentsd" status --json >"$work/status" &&
        grep -q '"queue":{"received":[0-9]*,"queued":0,' "$work/status"
}
await 60 settled || fail "not all is delivered: $(cat "$work/status")"

# ---- check that all of them are where they should be

say "The ledger of currentsd (currentsd ledger --by source --check)"
"$bin/currentsd" ledger --by source --check >"$work/ledger"
balanced=$?
cat "$work/ledger"
"$bin/currentsd" ledger --by source --csv >"$work/ledger.csv" &&
    "$bin/currentsd" ledger --json >"$work/ledger.json" ||
    fail "cannot read the ledger"

say "What the simulators counted ($heap/books and $braze/report)"
curl -sS --max-time 10 "$heap/books" >"$work/books" &&
    curl -sS --max-time 10 "$heap/keys" >"$work/keys" &&
    curl -sS --max-time 10 "$braze/report" >"$work/report" &&
    curl -sS --max-time 10 "$braze/memberships" >"$work/memberships" ||
    fail "a simulator does not answer"
tell "Heap:  $(counters "$work/books")"
tell "Braze: $(counters "$work/report")"

say "Was anything lost?"
[ $balanced -eq 0 ] || fail "the ledger does not balance"

# An event is identified by event_type:id, here and at Heap.
sed -n 's/^{"event_type":"\([^"]*\)","id":"\([^"]*\)".*/\1:\2/p' \
    "$work/events" | sort >"$work/sent.sorted"
sort "$work/acked" >"$work/acked.sorted"
cut -f 1 "$work/keys" | sort >"$work/heap.sorted"
comm -23 "$work/sent.sorted" "$work/heap.sorted" >"$work/missing"
# What is missing, and what the ledger dropped of events, by type.
cut -d : -f 1 "$work/missing" | sort | uniq -c |
    awk '{print $2, $1}' >"$work/missing.types"
grep -o '"rule":"[^"]*","type":"[^"]*","count":[0-9]*' "$work/ledger.json" |
    awk -F '[":,]+' '$3 != "superseded" && $3 != "no change" {
        dropped[$5] += $7}
    END {for (type in dropped) print type, dropped[type]}' |
    sort >"$work/dropped.types"

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
tell "Events:   of $sent, one of every type, $(wc -l <"$work/heap.sorted") are" \
    "at Heap exactly once; $(wc -l <"$work/missing") were dropped by a rule" \
    "that the ledger names."

# A membership is a segment and a person. Braze has it as an attribute, whose
# name ends with the segment's id, and true (in) or false (out).
tr '\t' ' ' <"$work/truth" | sort >"$work/said.sorted"
sed 's/^[^\t]*_\([^_\t]*\)\texternal_id:\([^\t]*\)\t\([^\t]*\).*/\1 \2 \3/' \
    "$work/memberships" | sort >"$work/held.sorted"
comm -23 "$work/said.sorted" "$work/held.sorted" >"$work/lost"
comm -13 "$work/said.sorted" "$work/held.sorted" >"$work/never"
memberships=$(wc -l <"$work/said.sorted")
[ "$memberships" -gt 0 ] || fail "no segment has a member"
none "$work/lost" "memberships are not at Braze as Heap said last"
none "$work/never" "memberships are at Braze that Heap did not say"
grep -q '"violations":{}' "$work/report" ||
    fail "a rule of Braze's was broken: $(cat "$work/report")"
read -r changes delivered dropped doubled < <(awk -F , '$1 == "segments" {
    print $2 - $6, $3, $5, $6}' "$work/ledger.csv")
tell "Segments: of $changes changes, $delivered were delivered, and $dropped" \
    "were overtaken by a later one or changed nothing; $doubled came twice." \
    "The $memberships memberships at Braze equal Heap's last words: yes."
[ $once = yes ] && exit 0

# ---- the rest is yours

say "The daemon and the simulators keep running. Try them:"
cat <<END
an event:
    curl -i $ingest/currents -H 'Authorization: Bearer $CURRENTSD_TOKEN' \\
        -d '{"events":[{"event_type":"users.behaviors.app.SessionStart",
             "id":"$(cat /proc/sys/kernel/random/uuid)","time":$(date +%s),
             "user":{"external_user_id":"try-me"},
             "properties":{"session_id":"s-1"}}]}'

a change of a segment, signed as Heap does:
    body='{"action_type":"segment.users.sync","data":{"segment":{"id":7,
        "name":"Try me"},"add":[{"id":"try-me"}],"remove":[]}}'
    ts=\$(date +%s)000
    mac=\$(printf %s "\$ts\$body" | openssl dgst -sha256 -binary \\
        -hmac $CURRENTSD_SEGMENTS_SECRET | base64)
    curl -i $ingest/segments -H "Heap-Hash: ts:\$ts,hmac:\$mac" -d "\$body"

page      $admin/ in a browser; the token is $CURRENTSD_ADMIN_TOKEN
status    curl $admin/status
          CURRENTSD_STATE_DIR=$work/state build/release/currentsd status
segments  CURRENTSD_STATE_DIR=$work/state build/release/currentsd segments
metrics   curl $admin/metrics
at Heap   curl $heap/books
          curl $heap/keys
at Braze  curl $braze/report
          curl $braze/memberships
log       tail -f $work/currentsd.log

Ctrl-C stops them, and deletes their state.
END
# Wait until one of them exits, or a signal comes.
wait -n $daemon $heapsim $audiencesim
fail "the daemon or a simulator exited unexpectedly"
