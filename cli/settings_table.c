/*
 * The table of settings: see settings.h. Rows are in the order in which they
 * are shown. Sizes are written with k, M, G (1024), durations with ms, s, m,
 * h, d.
 */

#include "cli/settings.h"

#define KIB(n)	  ((int64_t)(n)*1024)
#define MIB(n)	  (KIB(n) * 1024)
#define GIB(n)	  (MIB(n) * 1024)
#define SECOND(n) ((int64_t)(n)*1000)
#define HOUR(n)	  (SECOND(n) * 3600)

#define MAIN(member)                                                           \
	.section = SETTINGS_MAIN, .at = offsetof(struct settings, member)
#define SOURCE(member)                                                         \
	.section = SETTINGS_SOURCE,                                            \
	.at = offsetof(struct settings_source, member)
#define TARGET(member)                                                         \
	.section = SETTINGS_DESTINATION,                                       \
	.at = offsetof(struct settings_destination, member)

/* clang-format off */
const struct setting settings_table[] = {
	{MAIN(listen), .key = "listen", .variable = "CURRENTSD_LISTEN",
	    .type = SETTINGS_ADDRESS, .preset = "127.0.0.1:8080",
	    .help = "Address for Braze's requests; plain HTTP, so put a TLS"
		" proxy in front."},
	{MAIN(admin), .key = "admin", .variable = "CURRENTSD_ADMIN",
	    .type = SETTINGS_ADDRESS, .preset = "127.0.0.1:8081",
	    .help = "Address for /metrics and /status; no credentials, so"
		" keep it on loopback."},
	{MAIN(state_dir), .key = "state_dir",
	    .variable = "CURRENTSD_STATE_DIR", .type = SETTINGS_PATH,
	    .help = "The directory of the queue, on a local disk; required"
		" unless systemd sets $STATE_DIRECTORY."},
	{MAIN(allow_volatile_state), .key = "allow_volatile_state",
	    .variable = "CURRENTSD_ALLOW_VOLATILE_STATE",
	    .type = SETTINGS_FLAG, .preset = "no",
	    .help = "Start even if the state directory is on tmpfs, an"
		" overlay or NFS, where the queue can vanish."},
	{MAIN(log_level), .key = "log_level",
	    .variable = "CURRENTSD_LOG_LEVEL", .type = SETTINGS_WORD,
	    .preset = "info", .words = "debug|info|warn|error",
	    .help = "The lowest level that is logged."},

	{MAIN(threads), .key = "threads", .variable = "CURRENTSD_THREADS",
	    .type = SETTINGS_INTEGER, .preset = "2", .least = 1, .most = 64,
	    .help = "Threads that answer requests."},
	{MAIN(max_connections), .key = "max_connections",
	    .variable = "CURRENTSD_MAX_CONNECTIONS",
	    .type = SETTINGS_INTEGER, .preset = "1024", .least = 8,
	    .most = 100000,
	    .help = "Connections open at once."},
	{MAIN(body_limit), .key = "body_limit",
	    .variable = "CURRENTSD_BODY_LIMIT", .type = SETTINGS_SIZE,
	    .preset = "16M", .least = MIB(1), .most = MIB(512),
	    .help = "The largest body, also after decompression; above it"
		" 413, and Braze sends smaller batches."},
	{MAIN(body_memory), .key = "body_memory",
	    .variable = "CURRENTSD_BODY_MEMORY", .type = SETTINGS_SIZE,
	    .preset = "256M", .least = MIB(1), .most = GIB(1024),
	    .help = "Memory for all bodies being received; above it 503. At"
		" least body_limit."},
	{MAIN(max_events), .key = "max_events",
	    .variable = "CURRENTSD_MAX_EVENTS", .type = SETTINGS_INTEGER,
	    .preset = "100000", .least = 100, .most = 10000000,
	    .help = "The most events in one body (Braze sends 100)."},
	{MAIN(request_timeout_ms), .key = "request_timeout",
	    .variable = "CURRENTSD_REQUEST_TIMEOUT",
	    .type = SETTINGS_DURATION, .preset = "60s", .least = SECOND(1),
	    .most = HOUR(1),
	    .help = "From the first byte of a request to its last."},
	{MAIN(idle_timeout_ms), .key = "idle_timeout",
	    .variable = "CURRENTSD_IDLE_TIMEOUT", .type = SETTINGS_DURATION,
	    .preset = "75s", .least = SECOND(1), .most = HOUR(1),
	    .help = "After this time an idle connection is closed."},
	{MAIN(retry_after_ms), .key = "retry_after",
	    .variable = "CURRENTSD_RETRY_AFTER", .type = SETTINGS_DURATION,
	    .preset = "10s", .least = SECOND(1), .most = HOUR(1),
	    .help = "What Retry-After says in a 503 (whole seconds)."},

	{MAIN(queue_max_bytes), .key = "queue_max_bytes",
	    .variable = "CURRENTSD_QUEUE_MAX_BYTES", .type = SETTINGS_SIZE,
	    .preset = "10G", .least = MIB(1), .most = GIB(1024) * 1024,
	    .help = "The most that the queue may use on disk; above it 503."},
	{MAIN(queue_min_free), .key = "queue_min_free",
	    .variable = "CURRENTSD_QUEUE_MIN_FREE", .type = SETTINGS_SIZE,
	    .preset = "256M", .least = 0, .most = GIB(1024),
	    .help = "Space to leave free on the file system; below it 503."},
	{MAIN(queue_reserve), .key = "queue_reserve",
	    .variable = "CURRENTSD_QUEUE_RESERVE", .type = SETTINGS_SIZE,
	    .preset = "32M", .least = 0, .most = GIB(64),
	    .help = "Size of a file that is released when the disk is full,"
		" so that delivery can go on."},
	{MAIN(queue_window), .key = "queue_window",
	    .variable = "CURRENTSD_QUEUE_WINDOW", .type = SETTINGS_INTEGER,
	    .preset = "1000000", .least = 1, .most = 100000000,
	    .help = "Events remembered to detect duplicates."},
	{MAIN(queue_pending), .key = "queue_pending",
	    .variable = "CURRENTSD_QUEUE_PENDING", .type = SETTINGS_INTEGER,
	    .preset = "1024", .least = 1, .most = 100000,
	    .help = "Requests that may wait for the disk at once; above it"
		" 503."},
	{MAIN(unreadable_max_bytes), .key = "unreadable_max_bytes",
	    .variable = "CURRENTSD_UNREADABLE_MAX_BYTES",
	    .type = SETTINGS_SIZE, .preset = "256M", .least = 0,
	    .most = GIB(1024),
	    .help = "Space for request bodies that are not JSON, which are"
		" kept as they came."},
	{MAIN(keep_archive_ms), .key = "keep_archive",
	    .variable = "CURRENTSD_KEEP_ARCHIVE", .type = SETTINGS_DURATION,
	    .preset = "7d", .least = 0, .most = HOUR(24) * 3650,
	    .help = "How long delivered events are kept for `currentsd"
		" replay`; 0: not at all."},
	{MAIN(archive_max_bytes), .key = "archive_max_bytes",
	    .variable = "CURRENTSD_ARCHIVE_MAX_BYTES",
	    .type = SETTINGS_SIZE, .preset = "2G", .least = 0,
	    .most = GIB(1024) * 1024,
	    .help = "Space for the delivered events, within queue_max_bytes;"
		" the oldest go before anything is refused."},
	{MAIN(queue_drift), .key = "queue_drift",
	    .variable = "CURRENTSD_QUEUE_DRIFT", .type = SETTINGS_INTEGER,
	    .preset = "10000", .least = 0, .most = 1000000,
	    .help = "How many different observations of drift are kept."},
	{MAIN(erase_interval_ms), .key = "erase_interval",
	    .variable = "CURRENTSD_ERASE_INTERVAL",
	    .type = SETTINGS_DURATION, .preset = "1d", .least = SECOND(1),
	    .most = HOUR(24) * 30,
	    .help = "How often on_delete = erase may erase people, since each"
		" time the file is rebuilt."},

	{SOURCE(parameter), .key = "parameter", .type = SETTINGS_TEXT,
	    .help = "A query parameter, key=value, that also selects this"
		" source."},
	{SOURCE(tokens), .key = "token", .variable = "CURRENTSD_TOKEN",
	    .type = SETTINGS_LIST,
	    .help = "The bearer tokens that are accepted; two while one is"
		" being replaced."},
	{SOURCE(token_file), .key = "token_file",
	    .variable = "CURRENTSD_TOKEN_FILE", .type = SETTINGS_PATH,
	    .help = "A file of tokens, one per line."},
	{SOURCE(open), .key = "open", .variable = "CURRENTSD_OPEN",
	    .type = SETTINGS_FLAG, .preset = "no",
	    .help = "Accept requests without a token: anyone who reaches the"
		" address can send events."},
	{SOURCE(destination), .key = "destination", .type = SETTINGS_TEXT,
	    .help = "Where its events go; the first destination if not"
		" given."},
	{SOURCE(unknown_type), .key = "unknown_type",
	    .variable = "CURRENTSD_UNKNOWN_TYPE", .type = SETTINGS_WORD,
	    .preset = "forward", .words = "forward|dead|drop",
	    .help = "What to do with events whose type is not in the"
		" catalogue; dead: make them dead letters."},
	{SOURCE(invalid), .key = "invalid", .variable = "CURRENTSD_INVALID",
	    .type = SETTINGS_WORD, .preset = "dead", .words = "dead|drop",
	    .help = "What to do with invalid events."},
	{SOURCE(include), .key = "include", .variable = "CURRENTSD_INCLUDE",
	    .type = SETTINGS_LIST,
	    .help = "Accept only these event types, with *; the others are"
		" dropped and counted. Requests for erasure are always"
		" accepted."},
	{SOURCE(exclude), .key = "exclude", .variable = "CURRENTSD_EXCLUDE",
	    .type = SETTINGS_LIST,
	    .help = "Drop and count these event types, with *; stronger than"
		" include. users.UserDeleteRequest only by its full name."},
	{SOURCE(private_at), .key = "private_at",
	    .variable = "CURRENTSD_PRIVATE_AT", .type = SETTINGS_WORD,
	    .preset = "delivery", .words = "delivery|accept",
	    .help = "When the properties that the destination leaves out or"
		" hashes are removed: at accept they never reach the disk,"
		" and cannot be sent later."},
	{SOURCE(on_delete), .key = "on_delete",
	    .variable = "CURRENTSD_ON_DELETE", .type = SETTINGS_WORD,
	    .preset = "list", .words = "list|erase",
	    .help = "Put people whose erasure Braze requests on a list"
		" (`currentsd erasures list`), or also erase them here, and"
		" mark them on the list as erased."},

	{TARGET(app_id), .key = "app_id", .variable = "CURRENTSD_HEAP_APP_ID",
	    .type = SETTINGS_TEXT,
	    .help = "The id of the Heap environment, digits; required."},
	{TARGET(region), .key = "region", .variable = "CURRENTSD_HEAP_REGION",
	    .type = SETTINGS_WORD, .words = "us|eu",
	    .help = "Where the Heap account lives; required unless url is"
		" set."},
	{TARGET(url), .key = "url", .variable = "CURRENTSD_HEAP_URL",
	    .type = SETTINGS_TEXT,
	    .help = "Base URL instead of the region's; plain http only to"
		" loopback."},
	{TARGET(share), .key = "share", .variable = "CURRENTSD_HEAP_SHARE",
	    .type = SETTINGS_INTEGER, .preset = "95", .least = 1, .most = 100,
	    .help = "Per cent of both quotas to use; the rest is left to your"
		" other senders."},
	{TARGET(events_per_minute), .key = "events_per_minute",
	    .variable = "CURRENTSD_HEAP_EVENTS_PER_MINUTE",
	    .type = SETTINGS_INTEGER, .preset = "15000", .least = 0,
	    .most = 100000000,
	    .help = "Heap's quota of events per minute; 0: none."},
	{TARGET(identity_per_minute), .key = "identity_per_minute",
	    .variable = "CURRENTSD_HEAP_IDENTITY_PER_MINUTE",
	    .type = SETTINGS_INTEGER, .preset = "1000", .least = 0,
	    .most = 100000000,
	    .help = "Heap's quota of events per minute for one person; 0:"
		" none."},
	{TARGET(request_events), .key = "request_events",
	    .variable = "CURRENTSD_HEAP_REQUEST_EVENTS",
	    .type = SETTINGS_INTEGER, .preset = "1000", .least = 1,
	    .most = TRACK_EVENTS_MAX, .help = "The most events in one request."},
	{TARGET(request_bytes), .key = "request_bytes",
	    .variable = "CURRENTSD_HEAP_REQUEST_BYTES", .type = SETTINGS_SIZE,
	    .preset = "1000000", .least = KIB(16), .most = MIB(64),
	    .help = "The most bytes in one request, unless a single event is"
		" larger."},
	{TARGET(in_flight), .key = "in_flight",
	    .variable = "CURRENTSD_HEAP_IN_FLIGHT", .type = SETTINGS_INTEGER,
	    .preset = "4", .least = 1, .most = 64,
	    .help = "Requests in flight at once."},
	{TARGET(linger_ms), .key = "linger",
	    .variable = "CURRENTSD_HEAP_LINGER", .type = SETTINGS_DURATION,
	    .preset = "1s", .least = 0, .most = SECOND(300),
	    .help = "How long events wait for a request to fill."},
	{TARGET(connect_timeout_ms), .key = "connect_timeout",
	    .variable = "CURRENTSD_HEAP_CONNECT_TIMEOUT",
	    .type = SETTINGS_DURATION, .preset = "5s", .least = 100,
	    .most = SECOND(300), .help = "For opening a connection."},
	{TARGET(timeout_ms), .key = "timeout",
	    .variable = "CURRENTSD_HEAP_TIMEOUT", .type = SETTINGS_DURATION,
	    .preset = "30s", .least = 100, .most = HOUR(1),
	    .help = "For a whole request, including the answer."},
	{TARGET(backoff_first_ms), .key = "backoff_first",
	    .variable = "CURRENTSD_HEAP_BACKOFF_FIRST",
	    .type = SETTINGS_DURATION, .preset = "1s", .least = 10,
	    .most = HOUR(1),
	    .help = "The first wait when Heap is in trouble; it doubles, with"
		" full jitter."},
	{TARGET(backoff_most_ms), .key = "backoff_most",
	    .variable = "CURRENTSD_HEAP_BACKOFF_MOST",
	    .type = SETTINGS_DURATION, .preset = "1m", .least = 10,
	    .most = HOUR(24), .help = "The longest such wait."},
	{TARGET(retry_after_most_ms), .key = "retry_after_most",
	    .variable = "CURRENTSD_HEAP_RETRY_AFTER_MOST",
	    .type = SETTINGS_DURATION, .preset = "15m", .least = SECOND(1),
	    .most = HOUR(24),
	    .help = "The longest Retry-After of Heap that is obeyed."},
	{TARGET(probe_ms), .key = "probe", .variable = "CURRENTSD_HEAP_PROBE",
	    .type = SETTINGS_DURATION, .preset = "1m", .least = 100,
	    .most = HOUR(24),
	    .help = "Between the probes of a destination that refuses"
		" everything."},
	{TARGET(defer_ms), .key = "defer",
	    .variable = "CURRENTSD_HEAP_DEFER",
	    .type = SETTINGS_DURATION, .preset = "1m", .least = 100,
	    .most = HOUR(24),
	    .help = "Wait before a deferred event is tried again."},
	{TARGET(dry_run), .key = "dry_run",
	    .variable = "CURRENTSD_HEAP_DRY_RUN", .type = SETTINGS_FLAG,
	    .preset = "no",
	    .help = "Map and count, but send nothing: the events stay queued"
		" until it is off again."},

	{TARGET(identity), .key = "identity",
	    .variable = "CURRENTSD_HEAP_IDENTITY", .type = SETTINGS_WORD,
	    .preset = "external_user_id", .words = "external_user_id|user_id",
	    .help = "Which id is the identity in Heap: yours (or else an"
		" alias), or Braze's own."},
	{TARGET(alias_label), .key = "alias_label",
	    .variable = "CURRENTSD_HEAP_ALIAS_LABEL", .type = SETTINGS_TEXT,
	    .help = "Only an alias with this label is used; any if not given."},
	{TARGET(anonymous), .key = "anonymous",
	    .variable = "CURRENTSD_HEAP_ANONYMOUS", .type = SETTINGS_LIST,
	    .preset = "device,braze_id",
	    .help = "People who have neither become a number made from the"
		" first of these that is present; skip: their events are"
		" dropped."},
	{TARGET(no_user), .key = "no_user",
	    .variable = "CURRENTSD_HEAP_NO_USER", .type = SETTINGS_WORD,
	    .preset = "dead", .words = "dead|drop",
	    .help = "What to do with events without a user, if their type"
		" should have one."},
	{TARGET(placeholders), .key = "placeholders",
	    .variable = "CURRENTSD_HEAP_PLACEHOLDERS", .type = SETTINGS_LIST,
	    .help = "More words that are not a person's id, besides null,"
		" undefined, guest and the like."},
	{TARGET(identity_hash), .key = "identity_hash",
	    .variable = "CURRENTSD_HEAP_IDENTITY_HASH", .type = SETTINGS_FLAG,
	    .preset = "no",
	    .help = "Send the identity as its HMAC-SHA-256 in hex; needs"
		" hash_key_file."},

	{TARGET(prefix), .key = "prefix",
	    .variable = "CURRENTSD_HEAP_PREFIX", .type = SETTINGS_TEXT,
	    .help = "Prefix for the names of events and properties, for"
		" example braze-."},
	{TARGET(rename), .key = "rename",
	    .variable = "CURRENTSD_HEAP_RENAME", .type = SETTINGS_LIST,
	    .help = "Other names in Heap, each OLD=NEW: of an event type or"
		" of a property."},
	{TARGET(custom_event_name), .key = "custom_event_name",
	    .variable = "CURRENTSD_HEAP_CUSTOM_EVENT_NAME",
	    .type = SETTINGS_WORD, .preset = "type", .words = "type|name",
	    .help = "Call a custom event users.behaviors.CustomEvent, or by"
		" its own name unless drop or hash selects that."},
	{TARGET(add_channel), .key = "add_channel",
	    .variable = "CURRENTSD_HEAP_ADD_CHANNEL", .type = SETTINGS_FLAG,
	    .preset = "yes",
	    .help = "Add braze_channel (email, sms, ...) and braze_action"
		" (Open, Click, ...)."},
	{TARGET(add_event_id), .key = "add_event_id",
	    .variable = "CURRENTSD_HEAP_ADD_EVENT_ID", .type = SETTINGS_FLAG,
	    .preset = "yes", .help = "Add braze_event_id."},
	{TARGET(add_user_id), .key = "add_user_id",
	    .variable = "CURRENTSD_HEAP_ADD_USER_ID", .type = SETTINGS_FLAG,
	    .preset = "yes", .help = "Add braze_user_id."},
	{TARGET(add_device_id), .key = "add_device_id",
	    .variable = "CURRENTSD_HEAP_ADD_DEVICE_ID", .type = SETTINGS_FLAG,
	    .preset = "yes", .help = "Add device_id."},
	{TARGET(add_timezone), .key = "add_timezone",
	    .variable = "CURRENTSD_HEAP_ADD_TIMEZONE", .type = SETTINGS_FLAG,
	    .preset = "yes", .help = "Add timezone."},

	{TARGET(keep), .key = "keep", .variable = "CURRENTSD_HEAP_KEEP",
	    .type = SETTINGS_LIST,
	    .help = "Send these although their class (content, contact) is"
		" left out: PROPERTY, TYPE/PROPERTY or a class, with *."},
	{TARGET(drop), .key = "drop", .variable = "CURRENTSD_HEAP_DROP",
	    .type = SETTINGS_LIST,
	    .help = "Never send these; written as for keep, and stronger."},
	{TARGET(hash), .key = "hash", .variable = "CURRENTSD_HEAP_HASH",
	    .type = SETTINGS_LIST,
	    .help = "Send these as their HMAC-SHA-256 in hex; written as for"
		" keep; needs hash_key_file."},
	{TARGET(hash_key_file), .key = "hash_key_file",
	    .variable = "CURRENTSD_HEAP_HASH_KEY_FILE", .type = SETTINGS_PATH,
	    .help = "A file with the key of the HMAC, at least 16 bytes, not"
		" readable by other users."},

	{TARGET(ca_file), .key = "ca_file",
	    .variable = "CURRENTSD_HEAP_CA_FILE", .type = SETTINGS_PATH,
	    .help = "Certificates to trust instead of the system's (PEM)."},
	{TARGET(proxy), .key = "proxy", .variable = "CURRENTSD_HEAP_PROXY",
	    .type = SETTINGS_TEXT,
	    .help = "HTTP proxy on the way to Heap: http://HOST:PORT."},
	{.key = NULL},
};
/* clang-format on */
