"""The outward names of the daemon, for its tests and for tests/bench.

A constant is called by the word that the project uses for a thing; its value
is what the daemon calls it today. Tests spell no value of their own, so that
a name can change here, and nowhere else.

Some names are promised for good, and tests spell them out: received,
delivered, dropped, duplicates and expired of receipts and of the ledger,
queued of a receipt; name, state and why of a destination; commands of one
word that are not in Command, settings that are not in SETTINGS, and paths
such as /readyz.

A value with %s or %d in it is completed with the operator %.
"""

# ---- settings ----

# What tests call a setting: what the daemon calls it. A setting that is not
# here has one name. conftest.setting() is the only reader.
SETTINGS = {
    "heap_trial": "heap_dry_run",
    "redact_at": "private_at",
}


class Choice:
    """Values of settings."""
    FORWARD, DEAD, DROP = "forward", "dead", "drop"  # unknown_type, no_user...
    ERASE = "erase"                                  # on_delete
    ACCEPT, DELIVERY = "accept", "delivery"          # redact_at


# ---- commands ----

class Place:
    """Where an event, or a body that is not JSON, can be."""
    QUEUED = "queued"
    ARCHIVE = "archive"
    DEAD = "dead"
    UNREADABLE = "unreadable"
    GIVING = (ARCHIVE, DEAD, UNREADABLE)


class Command:
    """The words of a command, to which tests add options and arguments."""
    # By place; then those that name no place.
    LIST = {
        Place.QUEUED: ("events", "list"),
        Place.ARCHIVE: ("events", "list", "--place", "archive"),
        Place.DEAD: ("dead", "list"),
        Place.UNREADABLE: ("unreadable", "list"),
    }
    EXPORT = {
        Place.QUEUED: ("events", "export"),
        Place.ARCHIVE: ("events", "export", "--place", "archive"),
        Place.DEAD: ("dead", "export"),
        Place.UNREADABLE: ("unreadable", "export"),
    }
    LIST_OF_NO_PLACE = ("events", "list", "--place", "nowhere")
    FIND = ("events", "find")  # one event, wherever it is
    SHOW = ("events", "show")  # likewise, with what became of it and why
    TAP = ("tap",)

    DEAD_LIST = ("dead", "list")
    DEAD_SHOW = ("dead", "show")
    DEAD_EDIT = ("dead", "edit")
    DEAD_REQUEUE = ("dead", "requeue")
    DEAD_EXPORT = ("dead", "export")
    DEAD_DROP = ("dead", "drop")
    UNREADABLE_SHOW = ("unreadable", "show")
    UNREADABLE_DROP = ("unreadable", "drop")

    PAUSE = ("destinations", "pause")  # and the name of a destination
    RESUME = ("destinations", "resume")

    ERASURES_LIST = ("erasures", "list")
    ERASURES_DONE = ("erasures", "done")  # and whose

    IMPORT = ("import",)
    STATS, CHECK = ("queue", "stats"), ("queue", "check")
    BACKUP, RESCUE = ("queue", "backup"), ("queue", "rescue")


def erase(*users):
    """The command that erases these people."""
    return ("erase", *(word for user in users for word in ("--user", user)))


class Option:
    AFTER = "--after ID"  # of DEAD_LIST, as its help has it
    AGAIN = "--again"     # of IMPORT: duplicates too
    AGE = "--age"         # of STATS


# ---- states, outcomes, reasons ----

class State:
    """Of a sender."""
    RUNNING, PAUSED, HALTED = "running", "paused", "halted"
    BACKING_OFF, COOLING_DOWN = "backing_off", "cooling_down"
    TRIAL = "trial"


class Outcome:
    """Of a request to a destination, in the log."""
    ACCEPTED, REFUSED, FAILED = "accepted", "event", "destination"


class Verdict:
    """Of validate; a fault is what cannot be read as an event."""
    VALID, FAULT = "valid", "fault"


class Fate:
    """Of explain, likewise."""
    SEND, DROP, DEAD, FAULT = "send", "drop", "dead", "fault"


class Rule:
    """Why an event was dropped, or is dead."""
    EXCLUDED = "excluded: %s"
    NOT_INCLUDED = "not included"
    UNKNOWN_TYPE = "unknown type"
    INVALID = "invalid"
    OPERATOR = "operator"
    REFUSED = "refused by the destination"
    FAILED = "failed at the destination"
    AHEAD = "its time is further in the future than time_ahead allows"


class Drift:
    """What drift has seen, and the keys of its rows."""
    UNKNOWN_TYPE = "unknown type"
    UNKNOWN_PROPERTY = "unknown property"
    UNKNOWN_USER_MEMBER = "unknown user member"
    BLANK_REQUIRED = "blank required"
    NEW_JSON_TYPE = "new json type"
    LEFT_OUT = "left out"
    WHAT, TYPE, FIELD, JSON, EVENTS = "what", "type", "field", "json", "events"
    KNOWN_AS = "known_as"
    FIRST, SETTINGS = "first", "settings"


# ---- JSON: receipts, the ledger, /status ----

class Receipt:
    """The answer to a request, and what an import tells."""
    DEAD = "dead"
    UNREADABLE_LINES = "unreadable"    # of an import
    ERROR, OFFSET = "error", "offset"  # of a request that was refused


class Ledger:
    QUEUED, DELIVERED = "queued", "delivered"
    DEAD, ERASED = "dead", "erased"
    # received is the sum of these.
    PARTS = (QUEUED, DELIVERED, DEAD, "dropped", "duplicates", ERASED,
             "expired")
    IMBALANCE, REPLAY_DELIVERED = "imbalance", "replay_delivered"
    TOTAL, LINES, LABEL = "total", "lines", "label"
    OTHER = "(other)"  # the label of types beyond the first 4096 unknown ones
    DROPS, RULE, TYPE, COUNT = "drops", "rule", "type", "count"
    UNREADABLE = "unreadable_bodies"
    UNREADABLE_STORED, UNREADABLE_REMOVED = "kept", "removed"


class Status:
    STATE, RUNNING, STOPPED = "state", "running", "stopped"
    ALIVE = "alive"
    LOG_DROPPED = "log_lines_dropped"
    QUEUE, SOURCES, DESTINATIONS = "queue", "sources", "destinations"
    STRANDED = "stranded"  # destinations that the settings do not have
    STRANDED_NAME, STRANDED_QUEUED = "name", "queued"
    REFUSED_WITHOUT_SOURCE = "refused_without_source"
    REFUSED_STRANGERS = "refused_strangers"
    LEFT_OUT = "left_out"
    SEGMENTS = "segments"
    RELOAD = "reload"


class Reload:
    """In /status, and lists that a reload answers."""
    FAILED, WHY, RESTART = "failed", "why", "needs_restart"
    CHANGED, ADDED, REMOVED = "changed", "added", "removed"
    LISTS = (CHANGED, ADDED, REMOVED, RESTART)


class LeftOut:
    """In /status: what no one has decided about."""
    PROPERTIES, COUNT = "properties", "count"
    TYPE, PROPERTY, EVENTS = "type", "property", "events"
    SINCE, SETTINGS = "since", "settings"


class Queue(Ledger):
    """In /status: the totals of the ledger, and more."""
    UNREADABLE = "unreadable"
    QUARANTINED = "quarantined_batches"
    ARCHIVE_BATCHES = "archive_batches"
    LIVE_BYTES = "live_bytes"
    RESERVE = "reserve"
    GONE = "gone"  # why the files are not ours, or ""
    DISK_WAIT_S = "disk_wait_s"
    DEAD_WHY, DROPPED_WHY = "dead_why", "dropped_why"
    WHY, WHY_STATUS, WHY_COUNT = "why", "status", "count"  # rows of these


class Source:
    """In /status."""
    NAME, LAST_SUCCESS_S = "name", "last_success_s"
    FAILING_SINCE = "failing_since"
    FAILING_STATUS, FAILING_WHY = "failing_status", "failing_why"
    BRAZE_ALERTS_IN_S = "braze_alerts_in_s"
    BRAZE_GIVES_UP_IN_S = "braze_gives_up_in_s"
    REFUSED = "refused"
    REFUSED_COUNT, REFUSED_STATUS, REFUSED_WHY = "count", "status", "why"
    TOKENS = "tokens"
    TOKEN_NUMBER, TOKEN_LAST_USED_S = "number", "last_used_s"


class Destination:
    """In /status."""
    QUEUED, OLDEST_QUEUED_S = "queued", "oldest_queued_s"
    LAST_ACCEPTED, LAST_ACCEPTED_S = "last_accepted", "last_accepted_s"
    POSTS, ACCEPTED, REFUSED = "posts", "accepted", "refused"
    IN_FLIGHT = "in_flight"
    PACE_PER_MINUTE = "pace_per_minute"
    DRAIN_FORECAST_S = "drain_forecast_s"
    DEFERRED = "deferred"
    DEFERRED_EVENTS, DEFERRED_WHY, DEFERRED_UNTIL = "events", "why", "until"
    TRIAL = "dry_run"
    TRIAL_SENT, TRIAL_DROPPED, TRIAL_DEAD = "sent", "dropped", "dead"
    # Properties not sent as they came, and how many had no row.
    PROPERTIES, PROPERTIES_LOST = "properties", "properties_lost"
    PROPERTY, PROPERTY_WHAT, PROPERTY_COUNT = "property", "what", "count"
    CUT, REDACTED, OTHER_PROPERTY = "cut", "private", "other"


class Stats:
    QUEUED, AGES, STRANDED = "queued", "ages", "stranded"
    SOURCES_BY_AGE, TYPES_BY_AGE = "sources_by_age", "types_by_age"


# ---- JSON: events, and what commands did ----

class Row:
    """An event or a body, as list, find, show and export have it."""
    PLACE, SOURCE = "place", "source"
    DESTINATION = "destination"  # of an export
    TYPE, EVENT_ID = "type", "event_id"
    EVENT, EVENT_BASE64 = "event", "event_base64"
    REPLAY = "replay"
    # of a dead letter
    ID, ATTEMPTS = "id", "attempts"
    REASON, STATUS, ANSWER = "reason", "status", "answer"
    SENT = "sent"
    # of one that is shown with all that is known
    EXPLANATION, REDACTED = "explanation", "redacted"
    DUE, REFUSALS, FAILURES = "due", "refusals", "failures"
    SENDER = "sender"  # the state of its destination, if a daemon runs
    # of one that was tapped
    WHAT, SKIPPED = "what", "skipped"
    # of an unreadable body
    BYTES, BODY = "bytes", "body"


class Done:
    """What a command did, and to how many."""
    REQUEUED, DROPPED = "requeued", "dropped"
    UNSERVED = "unserved"  # skipped: their destination is not in the settings
    REPLAYED = "replayed"
    RESENT, RELEASED, RETIRED = "resent", "released", "retired"
    FAULTS = "faults"  # that CHECK found


class Erased:
    """What erase() tells, and the log."""
    QUEUED, ARCHIVE, DEAD = "queued", "archive", "dead"
    MEMBERS = "members"  # of sets, forgotten
    UNREADABLE, DAMAGED = "unreadable", "damaged_batches"
    UNREADABLE_UNCLEAR = "unreadable_unclear"  # not legible to its end
    # ids beside those given; given ones beside none; devices of others, too
    FOUND, ALONE, SHARED = "ids_found", "ids_alone", "devices_shared"


class Erasure:
    """A request for it, on the list."""
    USER, SOURCE, ERASED = "subject", "source", "erased"


class Finding:
    """What validate or explain says of an event."""
    LINE, AT = "line", "at"
    VERDICT, BUT = "verdict", "but"
    FATE, REASON = "fate", "reason"
    EVENT, DECISIONS = "event", "decisions"


class Schema:
    """A row of the list of types."""
    TYPE, FAMILY = "type", "family"
    PROPERTIES, STATUS = "properties", "status"


class Check:
    SOURCES, DESTINATIONS, PRIVACY = "sources", "destinations", "privacy"
    NAME, TOKENS, OPEN, DESTINATION = "name", "tokens", "open", "destination"
    KIND = "kind"
    ID, SENT, STATUS, HINT = "id", "sent", "status", "hint"  # --send-test
    LISTEN, ADDRESS, STATE = "listen", "address", "state"
    ADMIN_STATE = "admin_state"
    FREE, OURS, TAKEN, SYSTEMD = "free", "ours", "taken", "systemd"
    PROBLEMS, REACHED, DAEMON = "problems", "reached", "daemon"
    PROVEN, PROBLEM, SOURCE = "proven", "problem", "source"  # --url


class Metric:
    ANSWERS = 'currentsd_answers_total{code="%d"}'
    BUILD = "currentsd_build_info"
    CONNECTIONS = "currentsd_connections_total"
    CONNECTIONS_SWEPT = "currentsd_connections_swept_total"
    DISK_WAIT = "currentsd_queue_disk_wait_seconds"
    EVENTS_QUEUED = "currentsd_events_queued"
    EVICTED = 'currentsd_evicted_total{what="%s"}'
    DRIFT = 'currentsd_drift_total{what="%s"}'
    DRIFT_FIRST = "currentsd_drift_first_total"
    LOG_DROPPED = "currentsd_log_lines_dropped_total"
    NOTICES = 'currentsd_notices_total{result="%s"}'
    LEFT_OUT = "currentsd_left_out_properties"
    IMBALANCE = "currentsd_ledger_imbalance"
    RELOAD_FAILED = "currentsd_reload_failed"
    TLS_EXPIRY = "currentsd_tls_certificate_expiry_timestamp_seconds"
    POSTS_DOUBTED = "currentsd_posts_doubted_total"
    PROBES = "currentsd_probes_total"
    HUNG_UP = "currentsd_connections_hung_up_total"
    UNEXPECTED_VERSION = "currentsd_unexpected_version_total"

    SOURCE_ANSWERS = 'currentsd_source_answers_total{source="%s",code="%d"}'
    SOURCE_FAILING = \
        'currentsd_source_failing_since_timestamp_seconds{source="%s"}'
    SOURCE_RECEIVED = \
        'currentsd_source_received_total{source="%s",types="%s"}'
    SOURCE_TIMES = 'currentsd_source_request_seconds_count{source="%s"}'
    LAST_SUCCESS = \
        'currentsd_source_last_success_timestamp_seconds{source="%s"}'
    DROPPED_BY = 'currentsd_dropped_total{rule="%s"}'
    COMMITS = "currentsd_commit_seconds_count"
    STORE = 'currentsd_store_bytes{store="%s"}'
    STORE_MAX = 'currentsd_store_max_bytes{store="%s"}'
    STARTED = "process_start_time_seconds"
    MEMORY = "process_resident_memory_bytes"
    FILES = "process_open_fds"
    TIME = "currentsd_time_seconds"
    REFUSED_STRANGERS = "currentsd_refused_strangers"
    REFUSED_WITHOUT_SOURCE = "currentsd_refused_without_source"
    SOURCE_REFUSED = 'currentsd_source_refused_requests{source="%s"}'
    TOKEN_LAST_USED = \
        'currentsd_token_last_used_timestamp_seconds{source="%s",token="%d"}'

    DEFERRED = 'currentsd_destination_deferred{destination="%s"}'
    DRAIN_FORECAST = \
        'currentsd_destination_drain_forecast_seconds{destination="%s"}'
    OLDEST_QUEUED = \
        'currentsd_destination_oldest_queued_seconds{destination="%s"}'
    PACE = 'currentsd_destination_pace_per_minute{destination="%s"}'
    PACE_FULL = 'currentsd_destination_pace_full_per_minute{destination="%s"}'
    PROPERTIES = \
        'currentsd_properties_total{destination="%s",property="%s",what="%s"}'
    PROPERTIES_LOST = \
        'currentsd_destination_properties_lost_total{destination="%s"}'
    QUEUED = 'currentsd_destination_queued{destination="%s"}'
    LAST_ACCEPTED = 'currentsd_destination_last_accepted_timestamp_seconds' \
        '{destination="%s"}'
    REQUESTS = \
        'currentsd_destination_requests_total{destination="%s",result="%s"}'
    REQUEST_TIMES = \
        'currentsd_destination_request_seconds_count{destination="%s"}'
    DELAYS = 'currentsd_destination_delivery_seconds_%s{destination="%s"}'
    STATE = 'currentsd_destination_state{destination="%s",state="%s"}'
    STRANDED = 'currentsd_stranded_queued{destination="%s"}'
    TRIAL_SENT = 'currentsd_destination_dry_run_sent_total{destination="%s"}'
    GONE = "currentsd_queue_gone"
    SEGMENTS = 'currentsd_segments{state="%s"}'
    SEGMENTS_WAITING = "currentsd_segments_waiting"
    SEGMENTS_INCOMPLETE = "currentsd_segments_incomplete_syncs"
    SEGMENTS_HELD = "currentsd_segments_held_syncs"


class Log:
    """Regular expressions for lines of the log."""
    # listen or admin, in either form
    ADDRESS = r"event\W+%s\W+address\W+\S+:(\d+)\W*"
    DROP = r"module=log event=drop lines=(\d+)"
    ABANDON = "event=abandon "
    START = "event=start version="
    STOP = "event=stop signal=TERM"
    FEWER_CONNECTIONS = r"event=limit files=192 connections=\d+ "
    HANGUP = "event=reload changed=.* caller=SIGHUP"
    WAIT_FOR_QUEUE = "event=wait for=queue"
    WAIT_FOR_QUEUE_IN_USE = "event=wait for=queue why=.*in use"
    JOB_BEGIN = "event=begin command=.%s"
    STRANDED = "event=stranded destination=%s queued=%d"

    REQUEST = r" request=(\S+) "
    ACCEPT = "module=server event=accept source=main "
    REFUSE = "level=warn module=server event=refuse status=%d "
    REFUSE_PATH = "event=refuse status=%d .* path=%s source="
    REFUSED_FROM = r"event=refuse status=404 .* client=(\S+) "
    ACCEPTED_FROM = r"event=accept source=\S+ client=(\S+) "
    HUNG_UP = r"level=warn .* event=hang_up listener=ingest client=\S+ why="
    ACCEPT_FAILED = r"level=warn .* event=accept_fail listener=ingest "
    LIBRARY = "level=warn .* event=library listener=.*response code is %d"
    DRIFT = " event=drift "
    NOTICE = r" module=notices event=post state=new about=\"?%s"
    NOTICE_FAILED = r"level=warn module=notices event=fail .*"
    LEFT_OUT = 'level=warn module=%s event=drift .*what="left out"'
    SUPPRESSED = r" suppressed=(\d+)$"  # at the end of any

    POST = "event=post .*result=%s$"
    BACKING_OFF = r"level=warn .* event=backing_off .*next_ms=(\d+)"
    HALTED = "level=error .* event=halted .*HTTP %d"
    DEFERRED = "level=warn .* event=defer "
    DEFERRED_OF = "level=warn .* event=defer .*events=%s .*%s"
    DEAD = r'level=warn .* event=dead .*type=%s why="%s, .*" last="%s'

    ERASED = r"event=erased people=%d "

    PRIVACY = "event=privacy destination=%s %s"
    EXPIRE = r"level=warn .* event=expire what=dead first_s=\d+ "
    NEAR = r"level=%s .* event=near what=%s bytes=\d+ max=%d "
    EVICTED = r"event=evict what=%s why=%s count=(\d+) bytes=(\d+)"
    GIVEN_UP = r"level=error .* event=close .*given up"


class Text:
    """What operators read."""
    # of status
    RUNNING, NOT_RUNNING = "   up ", "NOT RUNNING"
    FAILING, FAILING_FOR = "been failing", "has been failing for"
    REFUSED = "were refused"
    SENDS_AGAIN = "it sends those events again"
    PAUSED = "currentsd destinations resume heap"
    TLS_EXPIRES = "tls_certificate expires in 2 d"
    TLS_EXPIRES_ANY = "tls_certificate expire"
    EXPIRE = "The first dead letters expire in 5 d"
    EXPIRE_ANY = "dead letters expire in"
    NEAR = "use 90 %% of %s_max_bytes"
    ARCHIVE = r"\nArchive    [\d.]+ .iB of [\d.]+ .iB: when it is full"
    PACE = "pace %s of %s events a minute, after HTTP 429"
    DEFERRED = "%d deferred"
    NO_FORECAST = " unknown "
    REPLAYS = "Replays    %d are still to be sent"
    REPLAYS_ANY = "still to be sent"
    DEAD_WHY = "\nDead       1: %d %s\n"
    STRANDED = "is not in the settings"
    UNREADABLE_REMOVED = "bodies, and %d removed"
    TOKEN = "token %d"  # of sources show
    # of other commands
    LEDGER_UNREADABLE = "%d kept, %d removed"
    ALONE = "Ids that stand beside no other: 1."
    SHARED = "Devices that name somebody else, too: 1."
    NO_DEAD_LETTER = "no dead letter"
    NOT_FOUND = "not found"
    SKIPPED = "damaged batches could not be read"
    NO_DRIFT = "Braze sent nothing"
    REPLAY_ROW = " (replay)"  # at the end of a row
    RESCUED = "%d events of %d batches rescued"
    DEAD_BY_MAPPING = "but the mapping makes it a dead letter: %s is blank"
    TRIAL = "dry_run: nothing is sent"
    PRIVACY = "content=left-out contact=SENT unclassified=in-part"  # with heap_keep="*/contact"
    PRIVACY_LINE = f"secret=never-sent {PRIVACY} keep=*/contact"


class Pattern:
    """Regular expressions for such texts."""
    DROPPED_WHY = r"\nDropped .*: (.*)\n"
    FAILING = (r"has been failing for \d+ s: %d %s.*\. "
               r"Braze alerts its own staff in (1 d|23 h)\b.*\. "
               r"Braze switches the connector off in [45] d\b")
    REFUSED = (r": %d requests were refused, the first .* ago, "
               r"the last .* ago: %d %s\.\n")
    REFUSED_WITHOUT_SOURCE = (r"! %d requests match no source, the first .*: "
                              r"%d no source")
    NEVER_ACCEPTED = r"(?m)^heap .* never$"
    STRANGERS = r"Strangers +%d requests of others, the last .* ago: 404, no"
    PAUSED_STOPPED = (r"%s is paused by the operator, 0 events wait\.\n"
                      r" +Send again: currentsd destinations resume %s\n")
    DEAD_ROW = r"%d +refused by the destination: \S.*refused"
    REPLAYS = (  # of main and of all: replayed, queued, delivered, refused
        r"REPLAYS +REPLAYED +QUEUED +DELIVERED +REFUSED\n"
        r"main +%d +%d +%d +%d\nall +%d +%d +%d +%d\n")


class File:
    """In the state directory, and in queue.db."""
    RESERVE = "reserve*"
    PAGE = 8192  # bytes, of queue.db
    # tables, and their columns that hold bytes of events
    BATCH, DEAD, UNREADABLE, LEDGER = "batch", "dead", "unreadable", "ledger"
    BYTES = ((BATCH, "data"), (DEAD, "data"), (UNREADABLE, "data"))
    # tables of small rows
    SMALL = (LEDGER, DEAD, "erasure", "drift", "name", "state", "dropped",
             "destination", "seen", "meta")
    LEDGER_HOUR, LEDGER_SOURCE, LEDGER_TYPE = "hour", "source", "type"
    DEAD_LETTERS = "SELECT data FROM dead"
    DEAD_LETTERS_PUT = "UPDATE dead SET data = ?"
    DEAD_BYTES_PUT = "UPDATE meta SET value = ? WHERE key = 'dead_bytes'"
    BATCH_DAMAGE = ("UPDATE batch SET data = zeroblob(20)"
                    " WHERE seq = (SELECT min(seq) FROM batch)")
    LAST_BATCHES = "SELECT data FROM batch ORDER BY seq DESC LIMIT ?"
    FAILING = b"failing main the queue"  # that source main is failing


class Probe:
    """A rule for tests/unit/mapper_probe.c, which ignores unknown ones."""
    REDACT_AT = "private_at"
