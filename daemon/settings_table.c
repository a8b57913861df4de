/*
 * The table of settings: see settings.h. Rows are in the order in which they
 * are shown. The defaults are what setting_defaults() fills in, mostly by the
 * modules' own functions.
 */

#include "daemon/settings_table.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define KIB(n)	  ((int64_t)(n)*1024)
#define MIB(n)	  (KIB(n) * 1024)
#define GIB(n)	  (MIB(n) * 1024)
#define SECOND(n) ((int64_t)(n)*1000)
#define HOUR(n)	  (SECOND(n) * 3600)

#define MEMBER(type, member)                                                   \
	.at = offsetof(type, member), .size = sizeof(((type *)0)->member)
#define MAIN(member)	    MEMBER(struct settings, member)
#define SOURCE(member)	    MEMBER(struct settings_source, member)
#define DESTINATION(member) MEMBER(struct settings_destination, member)

#define COUNT(member) .count_at = offsetof(struct settings_destination, member)
#define RULES_LIST(list)                                                       \
	DESTINATION(track.rules.list.items), COUNT(track.rules.list.count)

#define LIMITS(low, high) .least = (low), .most = (high)

/* In one request. Braze takes more on most contracts, and plans for fewer. */
enum { ATTRIBUTES_OBJECTS = 50 };

/* clang-format off */
static const struct setting main_rows[] = {
	{"listen", SETTING_LISTEN, MAIN(server.listen),
	    .help = "Addresses for the requests of Braze and Heap, or"
		" unix:PATH; plain HTTP, so put a TLS proxy in front, or set"
		" tls_certificate."},
	{"listen_mode", SETTING_MODE, MAIN(server.listen_mode),
	    .help = "The mode of such a unix socket: whoever may write to it"
		" may connect."},
	{"listen_group", SETTING_TEXT, MAIN(server.listen_group),
	    .help = "The group that it gets, such as that of the proxy; the"
		" daemon's user must be in it."},
	{"tls_certificate", SETTING_PATH, MAIN(server.tls_certificate),
	    .help = "A file (PEM) with a certificate and its chain: all"
		" connections to listen are TLS (1.2 or 1.3) then. A reload"
		" reads it again."},
	{"tls_key", SETTING_PATH, MAIN(server.tls_key),
	    .help = "The file (PEM) with the key of the certificate."},
	{"listen_proxy_protocol", SETTING_FLAG, MAIN(server.proxy_protocol),
	    .help = "Each connection begins with a header of the PROXY"
		" protocol (version 1 or 2), as a TCP balancer sends it. Any"
		" other connection is closed without an answer, and so is one"
		" with the header where this is off."},
	{"trusted_proxies", SETTING_NETWORKS, MAIN(server.trusted_proxies),
	    .help = "Addresses and networks of your proxies, and unix for"
		" unix sockets: they are believed for whom they ask, by"
		" Forwarded, X-Forwarded-For or the PROXY protocol, and the log"
		" shows that client. Of anyone else it shows the address"
		" of the connection."},
	{"admin", SETTING_ADDRESS, MAIN(server.admin),
	    .help = "Address of the admin interface: the operator's page,"
		" /status, /metrics and the rest; counts and states need no"
		" token, so keep it on loopback."},
	{"view_token", SETTING_LIST, .live = true, .secret = true,
	    MAIN(server.view_tokens),
	    .help = "The tokens that show personal data there, such as"
		" events; without view_token and admin_token it is only shown"
		" by the commands."},
	{"view_token_file", SETTING_PATH, .live = true, MAIN(view_tokens_file),
	    .help = "A file of such tokens, one per line."},
	{"admin_token", SETTING_LIST, .live = true, .secret = true,
	    MAIN(server.admin_tokens),
	    .help = "The tokens that also change something there, such as"
		" pausing a destination; without one, only the commands do."},
	{"admin_token_file", SETTING_PATH, .live = true,
	    MAIN(admin_tokens_file),
	    .help = "A file of such tokens, one per line."},
	{"admin_hosts", SETTING_LIST, .live = true, MAIN(server.admin_hosts),
	    .help = "Names by which the admin address may be called, besides"
		" localhost and addresses, such as that of a proxy before"
		" it."},
	{"state_dir", SETTING_PATH, MAIN(queue.dir),
	    .help = "The directory for the queue, on a local disk. If it is"
		" not set, $STATE_DIRECTORY of systemd comes before the"
		" default."},
	{"allow_volatile_state", SETTING_FLAG, MAIN(allow_volatile_state),
	    .help = "Start even if the state directory is on tmpfs, an"
		" overlay or NFS, where the queue can be lost."},
	{"catalogue", SETTING_PATH, .live = true, MAIN(catalogue),
	    .help = "A JSON file in the form of schema/currents/events.json"
		" that adds event types and properties to the catalogue, and"
		" decides on classes."},
	{"log_level", SETTING_WORD, .live = true, MAIN(log.level),
	    .words = "debug|info|warn|error",
	    .help = "The lowest level that is logged."},
	{"log_format", SETTING_WORD, MAIN(log.form),
	    .words = "logfmt|json",
	    .help = "How a line of the log is written. In the journal of"
		" systemd it has neither time nor level, which the journal"
		" shows."},
	{"log_burst", SETTING_INTEGER, MAIN(log.burst),
	    LIMITS(0, 1000000),
	    .help = "How many warnings, or errors, of a kind are logged at"
		" once; then one a second, with the number of those"
		" suppressed. 0: all."},
	{"log_buffer", SETTING_SIZE, MAIN(log.ring_bytes),
	    LIMITS(KIB(64), GIB(1)),
	    .help = "Memory for lines of the log that wait for their reader;"
		" further ones are dropped and counted."},
	{"stop_timeout", SETTING_DURATION, .live = true, MAIN(stop_timeout_ms),
	    LIMITS(SECOND(1), HOUR(1)),
	    .help = "The longest time that a stop may take; then the daemon"
		" ends at once, with exit code 1, and loses nothing that was"
		" accepted."},
	{"threads", SETTING_INTEGER, MAIN(server.threads),
	    LIMITS(1, 64),
	    .help = "Threads that answer requests."},
	{"max_connections", SETTING_INTEGER, MAIN(server.max_connections),
	    LIMITS(8, 100000),
	    .help = "The most connections open at once, each with a buffer of"
		" at most 128 KiB; up to 256 of them stay open between"
		" requests. There are fewer if the limit of open files is too"
		" low. When all are taken, the slowest that has shown no valid"
		" token is closed, or of a source that has more than four times"
		" what the others leave."},
	{"body_limit", SETTING_SIZE, MAIN(server.body_limit),
	    LIMITS(MIB(1), MIB(512)),
	    .help = "The largest request body, before and after"
		" decompression; a larger one is answered 413, and Braze"
		" sends smaller batches."},
	{"body_memory", SETTING_SIZE, MAIN(server.body_memory),
	    LIMITS(MIB(1), GIB(1024)),
	    .help = "Memory for all bodies being received, including a buffer"
		" of 64 KiB for each; without enough of it, requests are"
		" answered 503. One of several sources may use four times what"
		" is free."},
	{"max_events", SETTING_INTEGER, MAIN(server.max_items),
	    LIMITS(100, 10000000),
	    .help = "The most events, or changes, in one body (Braze sends 100"
		" events)."},
	{"request_timeout", SETTING_DURATION, .live = true,
	    MAIN(server.request_timeout_ms),
	    LIMITS(SECOND(1), HOUR(1)),
	    .help = "The longest time from the first byte of a request to its"
		" last."},
	{"idle_timeout", SETTING_DURATION, MAIN(server.idle_timeout_ms),
	    LIMITS(SECOND(1), HOUR(1)),
	    .help = "The time after which an idle connection is closed: longer"
		" than your proxy keeps its connections to us. Idle ones give"
		" way when there are too many."},
	{"retry_after", SETTING_SECONDS, .live = true,
	    MAIN(server.retry_after_s),
	    LIMITS(SECOND(1), HOUR(1)),
	    .help = "The value of Retry-After in a 503 (in whole seconds)."},
	{"tracing", SETTING_FLAG, MAIN(server.tracing),
	    .help = "Keep the W3C trace of a request (its header traceparent)"
		" with its events, and send it on; a post with events of"
		" several traces begins a new one. tracestate is dropped."},
	{"queue_max_bytes", SETTING_SIZE, MAIN(queue.max_bytes),
	    LIMITS(MIB(1), GIB(240)),
	    .help = "The most disk space that the queue may use, with the"
		" archive, dead letters and unreadable bodies, which give way"
		" to events; above it, requests are answered 503. One of"
		" several destinations may use four times what is free of it"
		" and of the disk."},
	{"queue_min_free", SETTING_SIZE, MAIN(queue.min_free_bytes),
	    LIMITS(0, GIB(1024)),
	    .help = "Space to leave free on the file system; below it,"
		" requests are answered 503."},
	{"queue_reserve", SETTING_SIZE, MAIN(queue.reserve_bytes),
	    LIMITS(0, GIB(64)),
	    .help = "Size of a file that is released when the disk is full,"
		" so that delivery can continue."},
	{"queue_window", SETTING_INTEGER, MAIN(queue.window_events),
	    LIMITS(1, 100000000),
	    .help = "How many events are remembered to detect duplicates; with"
		" 16 bytes each they take a quarter of queue_max_bytes at"
		" most."},
	{"queue_pending", SETTING_INTEGER, MAIN(queue.pending_max),
	    LIMITS(1, 100000),
	    .help = "How many requests may wait for the disk at once; further"
		" ones are answered 503."},
	{"unreadable_max_bytes", SETTING_SIZE, MAIN(queue.unreadable_max_bytes),
	    LIMITS(0, GIB(1024)),
	    .help = "Space for request bodies that are not JSON, which are"
		" kept as received; above it, the oldest are deleted."},
	{"keep_unreadable", SETTING_DURATION, MAIN(queue.keep_unreadable_ms),
	    LIMITS(HOUR(1), HOUR(24) * 3650),
	    .help = "How long they are kept, while the daemon runs."},
	{"dead_max_bytes", SETTING_SIZE, MAIN(queue.dead_max_bytes),
	    LIMITS(0, GIB(1024) * 1024),
	    .help = "Space for dead letters; above it, all but the last expire,"
		" the oldest first. 0: a tenth of queue_max_bytes."},
	{"keep_dead", SETTING_DURATION, MAIN(queue.keep_dead_ms),
	    LIMITS(HOUR(1), HOUR(24) * 3650),
	    .help = "How long dead letters are kept, while the daemon runs;"
		" then they expire."},
	{"keep_archive", SETTING_DURATION, MAIN(queue.keep_ms),
	    LIMITS(0, HOUR(24) * 3650),
	    .help = "How long delivered events are kept for `currentsd"
		" replay`, while the daemon runs; 0: not at all."},
	{"archive_max_bytes", SETTING_SIZE, MAIN(queue.keep_bytes),
	    LIMITS(0, GIB(1024) * 1024),
	    .help = "Space for the archive of delivered events, within"
		" queue_max_bytes; the oldest are removed before anything is"
		" refused."},
	{"queue_drift", SETTING_INTEGER, MAIN(queue.drift_max),
	    LIMITS(0, 1000000),
	    .help = "How many different observations of drift are kept; above"
		" it, those go that were not made for 30 days."},
	{"sources_max", SETTING_INTEGER, MAIN(queue.sources_max),
	    LIMITS(1, 65536),
	    .help = "How many sources may send in one run."},
	{"destinations_max", SETTING_INTEGER, MAIN(queue.destinations_max),
	    LIMITS(1, 65536),
	    .help = "How many destinations the queue may know, including"
		" those that are no longer in the settings."},
	{"suppress", SETTING_DURATION, MAIN(queue.suppress_ms),
	    LIMITS(0, HOUR(24) * 3650),
	    .help = "How long events of people who were erased are dropped when"
		" they come later; 0: not at all."},
	{"erase_interval", SETTING_DURATION, .live = true,
	    MAIN(erase_interval_ms),
	    LIMITS(SECOND(1), HOUR(24) * 30),
	    .help = "The shortest time between two runs of on_delete = erase,"
		" because each run reads everything stored."},
	{"source_silence", SETTING_DURATION, MAIN(silence_ms),
	    LIMITS(0, HOUR(24) * 365),
	    .help = "A source of events that sent none for so long needs"
		" attention; 0: none does."},
	{"notify_url", SETTING_TEXT, MAIN(notices.url),
	    .secret = true,
	    .help = "Where to post what needs an operator, and that it is"
		" resolved: JSON with a member text, as the incoming webhooks"
		" of Slack and Mattermost take it. Without personal data. Try"
		" it: `currentsd check --notify`."},
	{"notify_url_file", SETTING_PATH, MAIN(notify_url_file),
	    .help = "A file with that URL."},
	{"notify_ca_file", SETTING_PATH, MAIN(notices.ca_file),
	    .help = "A PEM file of the certificates to trust there, instead of"
		" the system's."},
	{"notify_proxy", SETTING_TEXT, MAIN(notices.proxy),
	    .help = "The HTTP proxy on the way there."},
	{"notify_timeout", SETTING_DURATION, MAIN(notices.timeout_ms),
	    LIMITS(100, HOUR(1)),
	    .help = "The time limit for such a post; what fails is tried"
		" again."},
	{"notify_after", SETTING_DURATION, MAIN(notices.after_ms),
	    LIMITS(0, HOUR(24)),
	    .help = "What lasts so long is told, and what is gone for so"
		" long is resolved."},
	{"notify_again", SETTING_DURATION, MAIN(notices.again_ms),
	    LIMITS(0, HOUR(24) * 365),
	    .help = "How often it is told again while it lasts; 0: never."},
	{"notify_per_hour", SETTING_INTEGER, MAIN(notices.per_hour),
	    LIMITS(1, NOTICES_PER_HOUR_MOST),
	    .help = "The most such posts in an hour; the last one sums up all"
		" that is to be told."},
	{"report_timezone", SETTING_TEXT, MAIN(report_timezone),
	    .help = "The time zone of your company in Braze, such as"
		" Europe/Berlin: events are counted by its days, to be compared"
		" with Braze's dashboards. What was counted before a change"
		" stays as it is."},
	{"segments_sync_timeout", SETTING_DURATION, MAIN(queue.sync_timeout_ms),
	    LIMITS(SECOND(1), HOUR(24) * 30),
	    .help = "How long the pages of a sync of a segment may take; then"
		" a sync that lacks some is incomplete."},
	{"segments_hold_over", SETTING_INTEGER, MAIN(queue.hold_over),
	    LIMITS(0, 100),
	    .help = "A sync that changes more than so many per cent of its"
		" segment is held until an operator releases it; 0: none is."
		" A segment's first sync and small segments are exempt."},
	{"groups_max", SETTING_INTEGER, MAIN(queue.groups_max),
	    LIMITS(1, 1000000),
	    .help = "How many segments the queue may know; pages of further"
		" ones are answered 503."},
	{"keep_left", SETTING_DURATION, MAIN(queue.keep_left_ms),
	    LIMITS(HOUR(1), HOUR(24) * 3650),
	    .help = "How long members who left a segment are remembered once"
		" that was delivered."},
	{"braze_kind", SETTING_WORD, .live = true, MAIN(cohorts),
	    .words = "attributes|cohorts",
	    .help = "The kind of the destination that the variables"
		" CURRENTSD_BRAZE_* make if the file has none: attributes,"
		" for a customer's REST API key, or cohorts, for partners of"
		" Braze."},
	{.key = NULL},
};

static const struct setting source_rows[] = {
	{"kind", SETTING_WORD, SOURCE(kind),
	    .words = "currents|segments", .file_only = true,
	    .help = "The kind of source: it decides what the source posts,"
		" and which further settings it has."},
	{"destination", SETTING_TEXT, SOURCE(server.destination),
	    .file_only = true,
	    .help = "Where its events, or changes, go; if not set, to the first"
		" destination that takes them."},
	{.key = NULL},
};

static const struct setting currents_rows[] = {
	{"parameter", SETTING_TEXT, SOURCE(server.parameter),
	    .file_only = true,
	    .help = "A query parameter, key=value, that also selects this"
		" source."},
	{"token", SETTING_LIST, SOURCE(server.secrets),
	    .secret = true,
	    .help = "The bearer tokens that are accepted; list two while you"
		" replace one."},
	{"token_file", SETTING_PATH, SOURCE(secrets_file),
	    .help = "A file of tokens, one per line."},
	{"open", SETTING_FLAG, SOURCE(server.open),
	    .help = "Accept requests without a token: anyone who can reach"
		" the address can send events."},
	{"unknown_type", SETTING_WORD, SOURCE(currents.unknown_type),
	    .words = "forward|dead|drop",
	    .help = "What to do with events whose type is not in the"
		" catalogue; dead makes them dead letters."},
	{"invalid", SETTING_WORD, SOURCE(currents.invalid_dropped),
	    .words = "dead|drop",
	    .help = "What to do with invalid events."},
	{"include", SETTING_LIST, SOURCE(currents.include),
	    .help = "Accept only these event types; * matches anything."
		" Others are dropped and counted. Requests for erasure are"
		" always accepted."},
	{"exclude", SETTING_LIST, SOURCE(currents.exclude),
	    .help = "Drop and count these event types; * matches anything."
		" Overrides include. users.UserDeleteRequest is matched only"
		" by its full name."},
	{"private_at", SETTING_WORD, SOURCE(currents.private_at),
	    .words = "delivery|accept",
	    .help = "When the properties that the destination leaves out or"
		" hashes are removed: with accept they never reach the disk,"
		" and can never be sent later."},
	{"on_delete", SETTING_WORD, SOURCE(on_delete),
	    .words = "list|erase",
	    .help = "What to do when Braze requests a person's erasure: list"
		" puts the person on a list (`currentsd erasures list`);"
		" erase also erases them here, and marks them on the list as"
		" erased."},
	{.key = NULL},
};

static const struct setting segments_rows[] = {
	{"secret", SETTING_LIST, SOURCE(server.secrets),
	    .secret = true,
	    .help = "What Heap signs with, as its Developers Hub shows it; list"
		" two while you replace one."},
	{"secret_file", SETTING_PATH, SOURCE(secrets_file),
	    .help = "A file of such secrets, one per line."},
	{"window", SETTING_DURATION, SOURCE(segments.window_ms),
	    LIMITS(SECOND(1), HOUR(24)),
	    .help = "How far the time of a signature may be from ours; beyond"
		" that it is answered 400, and Heap signs anew."},
	{"placeholders", SETTING_LIST, SOURCE(segments.placeholders),
	    .help = "More words that do not count as a member's id, besides"
		" null, undefined, guest and the like; such members become"
		" dead letters."},
	{.key = NULL},
};

static const struct setting destination_rows[] = {
	{"kind", SETTING_WORD, DESTINATION(kind),
	    .words = "track|attributes|cohorts", .file_only = true,
	    .help = "The kind of destination: it decides what is sent, and"
		" which further settings the destination has."},
	{"formerly", SETTING_TEXT, DESTINATION(formerly),
	    .file_only = true,
	    .help = "Another name that the destination had: it takes over"
		" what is queued for that one, its dead letters and its"
		" archive."},
	{"request_bytes", SETTING_SIZE, DESTINATION(forwarder.request_bytes),
	    LIMITS(KIB(16), MIB(64)),
	    .help = "The most bytes in one request, unless a single event is"
		" larger."},
	{"in_flight", SETTING_INTEGER, DESTINATION(forwarder.in_flight),
	    LIMITS(1, 64),
	    .help = "The most requests in flight at once."},
	{"linger", SETTING_DURATION, DESTINATION(forwarder.linger_ms),
	    LIMITS(0, SECOND(300)),
	    .help = "How long events, or changes, wait for a request to fill;"
		" the first one for an idle destination is sent at once."},
	{"connect_timeout", SETTING_DURATION,
	    DESTINATION(forwarder.connect_timeout_ms),
	    LIMITS(100, SECOND(300)),
	    .help = "The time limit for opening a connection."},
	{"timeout", SETTING_DURATION, DESTINATION(forwarder.timeout_ms),
	    LIMITS(100, HOUR(1)),
	    .help = "The time limit for a whole request, including the"
		" answer."},
	{"backoff_first", SETTING_DURATION,
	    DESTINATION(forwarder.backoff_first_ms),
	    LIMITS(10, HOUR(1)),
	    .help = "The first wait when the destination has trouble; further"
		" waits double, with full jitter."},
	{"backoff_most", SETTING_DURATION,
	    DESTINATION(forwarder.backoff_most_ms),
	    LIMITS(10, HOUR(24)),
	    .help = "The longest such wait."},
	{"probe", SETTING_DURATION, DESTINATION(forwarder.probe_ms),
	    LIMITS(100, HOUR(24)),
	    .help = "The time between probes of a destination that refuses"
		" everything."},
	{"defer", SETTING_DURATION, DESTINATION(forwarder.defer_ms),
	    LIMITS(100, HOUR(24)),
	    .help = "How long a deferred event, or change, waits before it is"
		" tried again."},
	{"max_bytes", SETTING_SIZE, DESTINATION(forwarder.max_bytes),
	    LIMITS(0, GIB(1024) * 1024),
	    .help = "The most bytes that may be queued for this destination;"
		" above it, requests for it are answered 503. 0: its share of"
		" queue_max_bytes."},
	{"park", SETTING_DURATION, DESTINATION(forwarder.park_ms),
	    LIMITS(HOUR(1), HOUR(24) * 365),
	    .help = "How long the events of a type, or the changes of a"
		" segment, that is refused as a whole stay parked before they"
		" become dead letters."},
	{"dry_run", SETTING_FLAG, DESTINATION(forwarder.dry_run),
	    .help = "Map and count, but send nothing: all stays queued until"
		" you switch this off."},
	{"ca_file", SETTING_PATH, DESTINATION(forwarder.ca_file),
	    .help = "Certificates to trust instead of the system's (PEM)."},
	{"proxy", SETTING_TEXT, DESTINATION(forwarder.proxy),
	    .help = "HTTP proxy for requests to the destination:"
		" http://HOST:PORT."},
	{.key = NULL},
};

static const struct setting track_rows[] = {
	{"app_id", SETTING_TEXT, DESTINATION(track.app_id),
	    .help = "The id of the Heap environment (digits); required."},
	{"region", SETTING_WORD, DESTINATION(region),
	    .words = "us|eu",
	    .help = "Where the Heap account is hosted; required unless url is"
		" set."},
	{"url", SETTING_TEXT, DESTINATION(track.url),
	    .help = "Base URL to use instead of the region's; plain http is"
		" allowed only to loopback."},
	{"events_per_minute", SETTING_INTEGER,
	    DESTINATION(track.events_per_minute),
	    LIMITS(0, 100000000),
	    .help = "Heap's quota of events per minute; 0: no quota."},
	{"identity_per_minute", SETTING_INTEGER,
	    DESTINATION(track.identity_per_minute),
	    LIMITS(0, 100000000),
	    .help = "Heap's quota of events per minute for one person; 0: no"
		" quota."},
	{"share", SETTING_INTEGER, DESTINATION(track.share_percent),
	    LIMITS(1, 100),
	    .help = "Percentage of both quotas to use; the rest is left for"
		" your other senders."},
	{"retry_after_most", SETTING_DURATION,
	    DESTINATION(track.retry_after_most_ms),
	    LIMITS(SECOND(1), HOUR(24)),
	    .help = "The longest Retry-After from Heap that is obeyed."},
	{"request_events", SETTING_INTEGER,
	    DESTINATION(request_items[SETTINGS_TRACK]),
	    LIMITS(1, TRACK_EVENTS_MAX),
	    .help = "The most events in one request."},
	{"identity", SETTING_WORD, DESTINATION(track.rules.identity),
	    .words = "external_user_id|user_id",
	    .help = "Which id is the identity in Heap: yours (or else an"
		" alias), or Braze's own."},
	{"alias_label", SETTING_TEXT, DESTINATION(track.rules.alias_label),
	    .help = "Only an alias with this label is used; if not set, any"
		" alias."},
	{"anonymous", SETTING_WORDS, DESTINATION(track.rules.anonymous),
	    .words = "skip|device|braze_id",
	    .help = "People with neither external id nor alias get a number"
		" made from the first of these that is present; skip: their"
		" events are dropped."},
	{"no_user", SETTING_WORD, DESTINATION(track.rules.no_user_dead),
	    .words = "drop|dead",
	    .help = "What to do with events that have no user, as some types"
		" never have; dead makes them dead letters."},
	{"placeholders", SETTING_LIST, RULES_LIST(placeholders),
	    .help = "More words that do not count as a person's id, besides"
		" null, undefined, guest and the like."},
	{"identity_hash", SETTING_FLAG, DESTINATION(track.rules.identity_hash),
	    .help = "Send the identity as its HMAC-SHA-256 in hex; needs"
		" hash_key_file."},
	{"prefix", SETTING_TEXT, DESTINATION(track.rules.prefix),
	    .help = "Prefix for the names of events and properties, for"
		" example braze-."},
	{"rename", SETTING_PAIRS,
	    DESTINATION(track.rules.renames), COUNT(track.rules.rename_count),
	    .help = "Other names to use in Heap, each OLD=NEW, for event"
		" types and properties."},
	{"custom_event_name", SETTING_WORD,
	    DESTINATION(track.rules.custom_event_name),
	    .words = "type|name",
	    .help = "What to call a custom event: users.behaviors.CustomEvent"
		" (type), or its own name (name) unless drop or hash selects"
		" that."},
	{"time_ahead", SETTING_DURATION,
	    DESTINATION(track.rules.time_ahead_ms),
	    LIMITS(0, HOUR(24) * 3650),
	    .help = "How far in the future an event's time may be. An event"
		" beyond that becomes a dead letter, because Heap would show"
		" it there; requeue it once its time has come, or with a"
		" longer time_ahead. 0: any time is sent."},
	{"add_channel", SETTING_FLAG, DESTINATION(track.rules.add_channel),
	    .help = "Add braze_channel (email, sms, ...) and braze_action"
		" (Open, Click, ...)."},
	{"add_event_id", SETTING_FLAG, DESTINATION(track.rules.add_event_id),
	    .help = "Add braze_event_id."},
	{"add_user_id", SETTING_FLAG, DESTINATION(track.rules.add_user_id),
	    .help = "Add braze_user_id."},
	{"add_device_id", SETTING_FLAG, DESTINATION(track.rules.add_device_id),
	    .help = "Add device_id."},
	{"add_timezone", SETTING_FLAG, DESTINATION(track.rules.add_timezone),
	    .help = "Add timezone."},
	{"keep", SETTING_LIST, RULES_LIST(keep),
	    .help = "Send these although their class (content, contact,"
		" unclassified) is left out: PROPERTY, TYPE/PROPERTY or a"
		" class; * matches anything."},
	{"drop", SETTING_LIST, RULES_LIST(drop),
	    .help = "Never send these; same syntax as keep, which it"
		" overrides."},
	{"hash", SETTING_LIST, RULES_LIST(hash),
	    .help = "Send these as their HMAC-SHA-256 in hex; same syntax as"
		" keep; needs hash_key_file."},
	{"hash_key_file", SETTING_PATH, DESTINATION(hash_key_file),
	    .help = "A file with the HMAC key: at least 16 bytes, and not"
		" readable by other users."},
	{.key = NULL},
};

/* What both kinds that go to Braze have. */
#define BRAZE_ROWS(kind)                                                       \
	{"url", SETTING_TEXT, DESTINATION(kind.url),                           \
	    .help = "The REST endpoint of the workspace, such as"              \
		" https://rest.iad-01.braze.com; required. Plain http is"      \
		" allowed only to loopback."},                                 \
	{"retry_after_most", SETTING_DURATION,                                 \
	    DESTINATION(kind.retry_after_most_ms),                             \
	    LIMITS(SECOND(1), HOUR(24)),                                       \
	    .help = "The longest wait that Braze asks for and that is"         \
		" obeyed."}

static const struct setting attributes_rows[] = {
	BRAZE_ROWS(attributes),
	{"api_key", SETTING_TEXT, DESTINATION(attributes.api_key),
	    .secret = true,
	    .help = "A REST API key with the permission users.track; required,"
		" here or in a file."},
	{"api_key_file", SETTING_PATH, DESTINATION(api_key_file),
	    .help = "A file with the API key."},
	{"match", SETTING_TEXT, DESTINATION(attributes.match),
	    .help = "What the members' ids are at Braze: external_id,"
		" alias:LABEL, braze_id or email."},
	{"attribute", SETTING_TEXT, DESTINATION(attributes.attribute),
	    .help = "The custom attribute of a segment, with {name} and {id};"
		" decided when a segment is first seen."},
	{"value", SETTING_WORD, DESTINATION(attributes.value),
	    .words = "boolean|array",
	    .help = "What is written: true or false in an attribute for each"
		" segment, or the segments that a person is in, in one array"
		" attribute."},
	{"array", SETTING_TEXT, DESTINATION(attributes.array),
	    .help = "The attribute that has the segments with value = array."},
	{"since", SETTING_FLAG, DESTINATION(attributes.since),
	    .help = "Also write the time at which somebody entered, as"
		" ATTRIBUTE_since."},
	{"create_profiles", SETTING_FLAG,
	    DESTINATION(attributes.create_profiles),
	    .help = "Let Braze make a profile for those who enter and have"
		" none."},
	{"requests_per_minute", SETTING_INTEGER,
	    DESTINATION(attributes.requests_per_minute),
	    LIMITS(0, 60000),
	    .help = "Our part of what your company may send to /users/track; 0:"
		" all of it, 3,000 requests in 3 seconds."},
	{"request_items", SETTING_INTEGER,
	    DESTINATION(request_items[SETTINGS_ATTRIBUTES]),
	    LIMITS(1, ATTRIBUTES_OBJECTS_MOST),
	    .help = "The most changes in one request."},
	{"hold", SETTING_DURATION, DESTINATION(attributes.hold_ms),
	    LIMITS(0, HOUR(24)),
	    .help = "The shortest time between two changes of one person in one"
		" segment, because Braze may apply them in the wrong order."},
	{.key = NULL},
};

static const struct setting cohorts_rows[] = {
	BRAZE_ROWS(cohorts),
	{"partner", SETTING_TEXT, DESTINATION(cohorts.partner),
	    .help = "The partner's name at Braze, as in the path; required."},
	{"partner_key", SETTING_TEXT, DESTINATION(cohorts.partner_key),
	    .secret = true,
	    .help = "The partner's key (partner_api_key); required, here or in"
		" a file."},
	{"partner_key_file", SETTING_PATH, DESTINATION(partner_key_file),
	    .help = "A file with the partner's key."},
	{"import_key", SETTING_TEXT, DESTINATION(cohorts.import_key),
	    .secret = true,
	    .help = "The customer's data import key (client_secret), from the"
		" partner's tile in the dashboard; required, here or in a"
		" file."},
	{"import_key_file", SETTING_PATH, DESTINATION(import_key_file),
	    .help = "A file with the data import key."},
	{"match", SETTING_TEXT, DESTINATION(cohorts.match),
	    .help = "What the members' ids are at Braze: external_id,"
		" alias:LABEL or device_id."},
	{"user_agent", SETTING_TEXT, DESTINATION(cohorts.user_agent),
	    .help = "The User-Agent that Braze asks of partners:"
		" partner-ORGANISATION-PRODUCT/VERSION."},
	{"requests_per_hour", SETTING_INTEGER,
	    DESTINATION(cohorts.requests_per_hour),
	    LIMITS(0, 10000000),
	    .help = "The most requests in an hour; 0: no limit."},
	{"request_ids", SETTING_INTEGER,
	    DESTINATION(request_items[SETTINGS_COHORTS]),
	    LIMITS(1, COHORTS_IDS_MOST),
	    .help = "The most changes in one request."},
	{.key = NULL},
};
/* clang-format on */

static const struct setting no_rows[] = {{.key = NULL}};

static const struct setting_kind main_kinds[] = {
    {NULL, NULL, "CURRENTSD_", false, no_rows},
};
static const struct setting_kind source_kinds[] = {
    [SETTINGS_CURRENTS] = {"currents",
	"A source of the kind currents: Braze Currents", "CURRENTSD_", false,
	currents_rows},
    [SETTINGS_SEGMENTS] = {"segments",
	"A source of the kind segments: Heap's segments", "CURRENTSD_SEGMENTS_",
	true, segments_rows},
};
static const struct setting_kind destination_kinds[] = {
    [SETTINGS_TRACK] = {"track",
	"A destination of the kind track: Heap's track API", "CURRENTSD_HEAP_",
	false, track_rows},
    [SETTINGS_ATTRIBUTES] = {"attributes",
	"A destination of the kind attributes: Braze's /users/track",
	"CURRENTSD_BRAZE_", true, attributes_rows},
    [SETTINGS_COHORTS] = {"cohorts",
	"A destination of the kind cohorts: Braze's cohort API, for partners",
	"CURRENTSD_BRAZE_", true, cohorts_rows},
};

#define KINDS(kinds) kinds, sizeof(kinds) / sizeof((kinds)[0])

const struct setting_section setting_sections[SETTING_SECTIONS] = {
    [SETTING_MAIN] = {NULL, "The daemon (at the top of the file)", main_rows,
	KINDS(main_kinds)},
    [SETTING_SOURCE] = {"source",
	"A source: source \"NAME\" { ... }; a variable sets the only one of a "
	"kind",
	source_rows, KINDS(source_kinds)},
    [SETTING_DESTINATION] = {"destination",
	"A destination: destination \"NAME\" { ... }; a variable sets the only "
	"one",
	destination_rows, KINDS(destination_kinds)},
};

size_t
setting_kind_of(enum setting_section_name section, const void *base)
{
	const struct settings_destination *destination = base;
	const struct settings_source *source = base;

	switch (section) {
	case SETTING_SOURCE:
		return source->kind;
	case SETTING_DESTINATION:
		return destination->kind;
	case SETTING_MAIN:
	case SETTING_SECTIONS:
		break;
	}
	return 0;
}

const struct setting *
setting_row(const struct setting_section *section, size_t kind, size_t i)
{
	const struct setting *lists[] = {
	    section->rows, section->kinds[kind].rows};

	for (size_t list = 0; list < 2; list++) {
		for (const struct setting *row = lists[list]; row->key != NULL;
		     row++) {
			if (i-- == 0)
				return row;
		}
	}
	return NULL;
}

const struct setting *
setting_find(
    const struct setting_section *section, size_t kind, const char *key)
{
	const struct setting *row = NULL;

	for (size_t i = 0; (row = setting_row(section, kind, i)) != NULL; i++) {
		if (strcmp(row->key, key) == 0)
			return row;
	}
	return NULL;
}

bool
setting_is_live(
    const struct setting_section *section, const struct setting *row)
{
	if (section == &setting_sections[SETTING_MAIN])
		return row->live;
	return section != &setting_sections[SETTING_DESTINATION] ||
	       (strcmp(row->key, "kind") != 0 &&
		   strcmp(row->key, "formerly") != 0);
}

bool
setting_variable(const struct setting *row, const struct setting_kind *kind,
    char ret[SETTING_NAME])
{
	size_t len = strlen(kind->prefix), key_len = strlen(row->key);

	if (row->file_only)
		return false;
	CHECK(len + key_len < SETTING_NAME);
	memcpy(ret, kind->prefix, len);
	for (size_t i = 0; i <= key_len; i++)
		ret[len + i] = (char)toupper((unsigned char)row->key[i]);
	return true;
}

void
setting_defaults(enum setting_section_name section, void *ret_base)
{
	static const char *const none[] = {NULL};
	struct settings_destination *destination = ret_base;
	struct settings_source *source = ret_base;
	struct settings *settings = ret_base;

	switch (section) {
	case SETTING_MAIN:
		*settings = (struct settings){
		    .log = {.level = LOG_INFO,
			.burst = 20,
			.ring_bytes = MIB(1)},
		    .stop_timeout_ms = SECOND(20),
		    .erase_interval_ms = HOUR(24),
		    .silence_ms = HOUR(24),
		    .notices =
			{
			    .after_ms = SECOND(300),
			    .again_ms = HOUR(24),
			    .timeout_ms = SECOND(10),
			    .per_hour = 10,
			},
		    .report_timezone = "UTC",
		};
		queue_settings_init(&settings->queue);
		settings->queue.dir = SETTINGS_STATE_DIR;
		server_settings_init(&settings->server);
		break;
	case SETTING_SOURCE:
		*source = (struct settings_source){.server.secrets = none};
		segments_settings_init(&source->segments);
		break;
	case SETTING_DESTINATION:
		*destination = (struct settings_destination){
		    .region = SETTINGS_NO_REGION,
		    .request_items =
			{
			    [SETTINGS_TRACK] = TRACK_EVENTS_MAX,
			    [SETTINGS_ATTRIBUTES] = ATTRIBUTES_OBJECTS,
			    [SETTINGS_COHORTS] = COHORTS_IDS_MOST,
			},
		};
		forwarder_destination_init(&destination->forwarder);
		track_settings_init(&destination->track);
		attributes_settings_init(&destination->attributes);
		cohorts_settings_init(&destination->cohorts);
		break;
	case SETTING_SECTIONS:
		NEVER("no section");
	}
}

bool
setting_nearest(const char *word, bool variable, char ret[SETTING_NAME])
{
	size_t best = strlen(word) / 3 + 2, distance;
	const struct setting *row;
	char name[SETTING_NAME];
	bool found = false;

	for (size_t s = 0; s < SETTING_SECTIONS; s++) {
		const struct setting_section *section = &setting_sections[s];

		for (size_t k = 0; k < section->kind_count; k++) {
			for (size_t i = 0;
			     (row = setting_row(section, k, i)) != NULL; i++) {
				if (!variable)
					(void)snprintf(
					    name, sizeof(name), "%s", row->key);
				else if (!setting_variable(
					     row, &section->kinds[k], name))
					continue;
				distance = str_distance(word, name);
				if (distance >= best)
					continue;
				best = distance;
				memcpy(ret, name, sizeof(name));
				found = true;
			}
		}
	}
	return found;
}
