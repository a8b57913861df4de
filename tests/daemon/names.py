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
    "archive_max_bytes": "keep_delivered_max_bytes",
    "erase_interval": "forget_interval",
    "heap_defer": "heap_set_aside",
    "heap_trial": "heap_dry_run",
    "invalid": "flawed",
    "keep_archive": "keep_delivered",
    "queue_reserve": "queue_ballast",
    "redact_at": "private_at",
    "unreadable_max_bytes": "undecodable_max_bytes",
}


class Choice:
    """Values of settings."""
    FORWARD, DEAD, DROP = "forward", "bury", "drop"  # unknown_type, no_user...
    ERASE = "forget"                                 # on_delete
    ACCEPT, DELIVERY = "accept", "delivery"          # redact_at


# ---- commands ----

class Place:
    """Where an event, or a body that is not JSON, can be."""
    QUEUED = "waiting"
    ARCHIVE = "kept"
    DEAD = "buried"
    UNREADABLE = "undecodable"


class Command:
    """The words of a command, to which tests add options and arguments."""
    # By place; then those that name no place.
    LIST = {
        Place.QUEUED: ("queue", "list", "--place", "waiting"),
        Place.ARCHIVE: ("queue", "list", "--place", "kept"),
        Place.DEAD: ("queue", "list", "--place", "buried"),
        Place.UNREADABLE: ("queue", "list", "--place", "undecodable"),
    }
    EXPORT = {
        Place.QUEUED: ("queue", "export", "--place", "waiting"),
        Place.ARCHIVE: ("queue", "export", "--place", "kept"),
        Place.DEAD: ("queue", "export", "--place", "buried"),
    }
    LIST_OF_NO_PLACE = ("queue", "list", "--place", "nowhere")
    FIND = ("queue", "find")  # one event, wherever it is

    DEAD_LIST = ("queue", "list")
    DEAD_SHOW = ("queue", "show")
    DEAD_REQUEUE = ("queue", "requeue")
    DEAD_EXPORT = ("queue", "export")
    DEAD_DROP = ("queue", "drop")
    UNREADABLE_SHOW = ("queue", "show", "undecodable")
    UNREADABLE_DROP = ("queue", "drop", "--place", "undecodable")

    PAUSE = ("queue", "pause")        # and the name of a destination
    RESUME = ("queue", "resume")
    REDIRECT = ("queue", "redirect")  # and two names: from, to

    ERASURES_LIST = ("queue", "erasures")
    ERASURES_DONE = ("queue", "erasures", "--done")  # and whose

    IMPORT = ("queue", "import")
    STATS, CHECK = ("queue", "stats"), ("queue", "check")
    BACKUP, RESCUE = ("queue", "backup"), ("queue", "rescue")


def erase(*users):
    """The command that erases these people."""
    return ("forget", *users)


class Option:
    ADOPT = "--adopt"     # of drift
    AFTER = "--after ID"  # of DEAD_LIST, as its help has it
    AGAIN = "--again"     # of IMPORT: duplicates too
    AGE = "--age"         # of STATS
    ANYWAY = "--anyway"   # of REDIRECT: what may have arrived, too


# ---- states, outcomes, reasons ----

class State:
    """Of a sender."""
    RUNNING, PAUSED, HALTED = "running", "paused", "stopped"
    BACKING_OFF, COOLING_DOWN = "waiting", "resting"
    TRIAL = "dry-run"


class Outcome:
    """Of a request to a destination, in the log."""
    ACCEPTED, REFUSED, FAILED = "accepted", "event", "destination"


class Verdict:
    """Of validate; a fault is what cannot be read as an event."""
    VALID, FAULT = "sound", "fault"


class Fate:
    """Of explain, likewise."""
    SEND, DROP, DEAD, FAULT = "send", "drop", "bury", "fault"


class Rule:
    """Why an event was dropped, or is dead."""
    EXCLUDED = "excluded: %s"
    NOT_INCLUDED = "not included"
    UNKNOWN_TYPE = "unknown type"
    INVALID = "flawed"
    OPERATOR = "operator"
    REFUSED = "refused by the destination"


class Drift:
    """What drift has seen, and the keys of its rows."""
    UNKNOWN_TYPE = "unknown type"
    UNKNOWN_PROPERTY = "unknown property"
    UNKNOWN_USER_MEMBER = "unknown user member"
    BLANK_REQUIRED = "blank required"
    NEW_JSON_TYPE = "new json type"
    WHAT, TYPE, FIELD, JSON, EVENTS = "what", "type", "field", "json", "events"


# ---- JSON: receipts, the ledger, /status ----

class Receipt:
    """The answer to a request, and what an import tells."""
    DEAD = "buried"
    UNREADABLE_LINES = "unreadable"    # of an import
    ERROR, OFFSET = "error", "offset"  # of a request that was refused


class Ledger:
    QUEUED, DEAD, ERASED = "waiting", "buried", "forgotten"
    # received is the sum of these.
    PARTS = (QUEUED, "delivered", DEAD, "dropped", "duplicates", ERASED,
             "expired")
    IMBALANCE, REPLAY_DELIVERED = "imbalance", "replay_delivered"
    TOTAL, LINES, LABEL = "total", "lines", "label"
    DROPS, RULE, TYPE, COUNT = "drops", "rule", "type", "count"
    UNREADABLE = "undecodable_bodies"
    UNREADABLE_STORED, UNREADABLE_REMOVED = "kept", "removed"


class Status:
    STATE, RUNNING, STOPPED = "state", "running", "stopped"
    ALIVE = "alive"
    QUEUE, SOURCES, DESTINATIONS = "queue", "sources", "destinations"
    STRANDED = "stranded"  # destinations that the settings do not have
    STRANDED_NAME, STRANDED_QUEUED = "name", "waiting"
    REFUSED_WITHOUT_SOURCE = "refused_without_source"


class Queue(Ledger):
    """In /status: the totals of the ledger, and more."""
    UNREADABLE = "undecodable"
    QUARANTINED = "set_aside_parcels"
    ARCHIVE_BATCHES = "kept_parcels"
    LIVE_BYTES = "live_bytes"
    RESERVE = "ballast"
    DEAD_WHY, DROPPED_WHY = "buried_why", "dropped_why"
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
    QUEUED, OLDEST_QUEUED_S = "waiting", "oldest_waiting_s"
    LAST_ACCEPTED, LAST_ACCEPTED_S = "last_accepted", "last_accepted_s"
    POSTS, ACCEPTED, REFUSED = "posts", "accepted", "refused"
    IN_FLIGHT = "in_flight"
    PACE_PER_MINUTE = "pace_per_minute"
    DRAIN_FORECAST_S = "drain_forecast_s"
    DEFERRED = "suspects"
    DEFERRED_EVENTS, DEFERRED_WHY, DEFERRED_UNTIL = "events", "why", "until"
    TRIAL = "dry_run"
    TRIAL_SENT, TRIAL_DROPPED, TRIAL_DEAD = "sent", "dropped", "buried"
    # Properties that were left out or cut, and how many had no row.
    PROPERTIES, PROPERTIES_LOST = "properties", "notes_lost"
    PROPERTY, PROPERTY_WHAT, PROPERTY_COUNT = "property", "what", "count"
    CUT, REDACTED, OTHER_PROPERTY = "cut", "private", "other"


class Stats:
    QUEUED, AGES, STRANDED = "waiting", "ages", "stranded"
    SOURCES_BY_AGE, TYPES_BY_AGE = "sources_by_age", "types_by_age"


# ---- JSON: events, and what commands did ----

class Row:
    """An event or a body, as list, find, show and export have it."""
    PLACE, SOURCE = "place", "source"
    DESTINATION = "lane"  # of an export
    TYPE, EVENT_ID = "type", "event_id"
    EVENT, EVENT_BASE64 = "event", "event_base64"
    REPLAY = "replay"
    # of a dead letter
    ID, ATTEMPTS = "id", "attempts"
    REASON, STATUS, ANSWER = "reason", "status", "words"
    # of an unreadable body
    BYTES, BODY = "bytes", "body"


class Done:
    """What a command did, and to how many."""
    REQUEUED, DROPPED = "requeued", "dropped"
    REDIRECTED, REPLAYED = "redirected", "replayed"
    FAULTS = "faults"  # that CHECK found


class Erased:
    """What erase() tells, and the log."""
    QUEUED, ARCHIVE, DEAD = "waiting", "kept", "buried"
    UNREADABLE, DAMAGED = "undecodable", "damaged_parcels"
    UNREADABLE_UNCLEAR = "undecodable_unclear"  # not legible to its end


class Erasure:
    """A request for it, on the list."""
    USER, SOURCE, ERASED = "subject", "source", "forgotten"


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
    ID, SENT, STATUS, HINT = "id", "sent", "status", "hint"  # --send-test


class Metric:
    ANSWERS = 'currentsd_answers_total{code="%d"}'
    BUILD = "currentsd_build_info"
    CONNECTIONS_SWEPT = "currentsd_connections_swept_total"
    DRIFT = 'currentsd_drift_total{what="%s"}'
    DRIFT_FIRST = "currentsd_drift_first_total"
    IMBALANCE = "currentsd_ledger_imbalance"
    PROBES = "currentsd_probes_total"
    UNEXPECTED_VERSION = "currentsd_unexpected_version_total"

    SOURCE_FAILING = 'currentsd_source_failing_seconds{source="%s"}'
    SOURCE_REFUSED = 'currentsd_source_refused_requests{source="%s"}'
    TOKEN_SINCE_USED = \
        'currentsd_token_since_used_seconds{source="%s",token="%d"}'

    DEFERRED = 'currentsd_lane_suspects{lane="%s"}'
    DRAIN_FORECAST = 'currentsd_lane_drain_forecast_seconds{lane="%s"}'
    OLDEST_QUEUED = 'currentsd_lane_oldest_waiting_seconds{lane="%s"}'
    PACE = 'currentsd_lane_pace_per_minute{lane="%s"}'
    PACE_FULL = 'currentsd_lane_pace_full_per_minute{lane="%s"}'
    PROPERTIES = \
        'currentsd_properties_total{lane="%s",property="%s",what="%s"}'
    PROPERTIES_LOST = 'currentsd_lane_notes_lost_total{lane="%s"}'
    QUEUED = 'currentsd_lane_waiting{lane="%s"}'
    SINCE_ACCEPTED = 'currentsd_lane_since_accepted_seconds{lane="%s"}'
    STATE = 'currentsd_lane_state{lane="%s",state="%s"}'
    STRANDED = 'currentsd_stranded_waiting{lane="%s"}'
    TRIAL_SENT = 'currentsd_lane_dry_run_sent_total{lane="%s"}'


class Log:
    """Regular expressions for lines of the log."""
    ADDRESS = r"server: %s address=\S+:(\d+)"  # listen or admin
    START = "serve: start version="
    STOP = "stop signal=TERM"
    HANGUP = "ignore signal=HUP"
    WAIT_FOR_QUEUE = "wait for=queue"
    WAIT_FOR_QUEUE_IN_USE = "wait for=queue text=.*in use"
    JOB_BEGIN = "begin command=.%s"
    STRANDED = "stranded destination=%s waiting=%d"

    REFUSE = r" warn +server: refuse status=%d "
    REFUSE_PATH = r" refuse status=%d .* path=%s source="
    LIBRARY = " warn .*library listener=.*response code is %d"
    DRIFT = " server: drift "
    DRIFT_OF = 'what="%s" type="%s" field="%s" json="%s"'

    POST = "forwarder: post .*result=%s$"
    BACKING_OFF = r"warn  forwarder: waiting .*next_ms=(\d+)"
    HALTED = "error forwarder: stopped .*HTTP %d"
    DEFERRED = " warn .*set aside"
    DEFERRED_OF = "warn  forwarder: set aside .*events=%s .*%s"

    ERASED = r"erase: forgot people=%d .*removed=(\{.*\})"

    PRIVACY = "serve: privacy destination=%s %s"


class Text:
    """What operators read."""
    # of status
    RUNNING, NOT_RUNNING = "running", "NOT RUNNING"
    FAILING, FAILING_FOR = "FAILING", "FAILING for"
    NEVER_ACCEPTED = "last accepted not yet"
    PAUSED = "`queue resume` ends that"
    PACE = "pace %s of %s a minute after 429"
    DEFERRED = "%d set aside"
    FORECAST, NO_FORECAST = "empty in %s", "cannot be told when it is empty"
    REPLAYS = "%d replays are still to be sent"
    REPLAYS_ANY = "still to be sent"
    DEAD_WHY = "\n           buried: %d %s\n"
    STRANDED = "NOBODY"
    UNREADABLE_REMOVED = "%d more undecodable were removed"
    TOKEN = "token %d last used"
    # of other commands
    LEDGER_UNREADABLE = "%d kept, %d removed"
    NO_DEAD_LETTER = "no buried event"
    NOT_FOUND = "nowhere"
    NO_DRIFT = "nothing was seen"
    REPLAY_ROW = " (replay)"  # at the end of a row
    RESCUED = "%d events of %d parcels rescued"
    DEAD_BY_MAPPING = "but the mapping buries it: %s is blank"
    TRIAL = "dry_run: nothing is sent"
    PRIVACY = "content=left-out contact=SENT"  # with heap_keep="*/contact"
    PRIVACY_LINE = f"secret=never-sent {PRIVACY} keep=*/contact"


class Pattern:
    """Regular expressions for such texts."""
    DROPPED_WHY = r"\n           dropped: (.*)\n"
    FAILING = (r"FAILING for \d+ s, the last answer was %d\n"
               r" +why: %s.*\n"
               r" +Braze alerts its own people in (1 d|23 h) .*\n"
               r" +Braze switches the connector off in [45] d ")
    REFUSED = (r"REFUSED requests: %d, the first .* ago, the last .* ago\n"
               r" +why: %d, %s\n")
    REFUSED_WITHOUT_SOURCE = (r"no source .*\n +REFUSED requests: %d, .*\n"
                              r" +why: %d, no source")
    PAUSED_STOPPED = (r"to +%s +paused, waiting 0, last accepted not yet\n"
                      r" +`currentsd queue resume %s` ends that")
    DEAD_ROW = r"%d refused by the destination: \S.*refused"
    REPLAYS = (  # of main and of all: replayed, queued, delivered, refused
        r"replayed = +waiting \+ +delivered \+ +refused  source\n"
        r" +%d +%d +%d +%d  main\n +%d +%d +%d +%d  all\n")


class File:
    """In the state directory, and in queue.db."""
    RESERVE = "ballast*"
    # tables, and their columns that hold bytes of events
    BATCH, DEAD, UNREADABLE, LEDGER = "parcel", "buried", "body", "ledger"
    BYTES = ((BATCH, "data"), (DEAD, "data"), (DEAD, "sent"),
             (UNREADABLE, "data"))
    LEDGER_HOUR, LEDGER_SOURCE, LEDGER_TYPE = "hour", "source", "kind"
    # reason, status, answer, request, event
    DEAD_LETTERS = "SELECT reason, status, words, sent, data FROM buried"
    DEAD_LATER = "UPDATE buried SET buried_ms = buried_ms + %d"  # ms
    FAILING = b"failing main the queue"  # that source main is failing


class Probe:
    """A rule for tests/unit/mapper_probe.c, which ignores unknown ones."""
    REDACT_AT = "private_at"
